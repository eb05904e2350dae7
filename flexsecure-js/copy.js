// The script has one source, which the server serves as well; a package is made with a copy of it.
import { copyFile } from 'node:fs/promises';

const here = (name) => new URL(name, import.meta.url);

await copyFile(here('../flexsecure-core/src/page/step-up.js'), here('step-up.js'));
for (const license of ['LICENSE-APACHE', 'LICENSE-MIT']) await copyFile(here(`../${license}`), here(license));
