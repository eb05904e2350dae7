// Puts the recipes together as an app would: `dist/react` and `dist/htmx`, to be served by the server
// whose routes they call, under any path.
import { cp, mkdir, rm } from 'node:fs/promises';

import { build } from 'esbuild';

const here = (name) => new URL(name, import.meta.url);

await rm(here('dist'), { recursive: true, force: true });
for (const name of ['dist/react', 'dist/htmx']) await mkdir(here(name), { recursive: true });

await build({
  absWorkingDir: here('.').pathname,
  entryPoints: ['react/main.jsx'],
  outfile: 'dist/react/app.js',
  bundle: true,
  minify: true,
  format: 'esm',
  jsx: 'automatic',
  target: 'es2024',
  define: { 'process.env.NODE_ENV': '"production"' },
  logLevel: 'warning',
});
for (const name of ['index.html', 'own.html']) await cp(here(`react/${name}`), here(`dist/react/${name}`));

for (const name of ['index.html', 'step-up-htmx.js']) await cp(here(`htmx/${name}`), here(`dist/htmx/${name}`));
await cp(here('../node_modules/htmx.org/dist/htmx.min.js'), here('dist/htmx/htmx.min.js'));
