import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

const at = (name) => readFile(new URL(`../${name}`, import.meta.url), 'utf8');

test('the recipes in the README are those that are run', async () => {
  const readme = await at('README.md');
  const recipes = [...readme.matchAll(/\((recipes\/[^)]+)\):\n\n```\w+\n(.*?)```/gs)];
  const named = new Set(readme.match(/recipes\/(react|htmx)\/[\w.-]+/g));
  assert.equal(recipes.length, named.size);
  for (const [, name, code] of recipes) {
    assert.ok((await at(name)).includes(code), `${name} does not contain\n${code}`);
  }
});

test('a package holds what it says', async () => {
  const { exports, files } = JSON.parse(await at('package.json'));
  const { types, default: script } = exports['.'];
  for (const name of [types, script]) assert.ok(files.includes(name.replace('./', '')), name);
  assert.equal(await at('step-up.js'), await at('../flexsecure-core/src/page/step-up.js'));
});
