// Builds the third-party pages into ../assets, from where `go build` embeds them. All are compressed once, here: the
// server sends them like this, or uncompressed to whoever asks so.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = import.meta.dirname;
const out = path.join(here, '..', 'assets');
const modules = path.join(here, 'node_modules');

/** What Redoc brings that a page of ours must not do: a logo from another host, and a <style> element without a nonce. */
const redocFixes = [
  ['src:"https://cdn.redoc.ly/redoc/logo-mini.svg"', 'src:"/favicon.svg"'],
  ['var t=r.nc;t&&e.setAttribute("nonce",t)', 'var t=globalThis.styleNonce;t&&e.setAttribute("nonce",t)'],
];
const fixedRedoc = {
  name: 'fixed-redoc',
  setup(b) {
    b.onLoad({ filter: /redoc\.browser\.lib\.js$/ }, ({ path: file }) => {
      let text = readFileSync(file, 'utf8');
      for (const [from, to] of redocFixes) {
        if (!text.includes(from)) throw new Error(`${file} has no ${from}: look what it does instead`);
        text = text.replace(from, to);
      }
      return { contents: text };
    });
  },
};

const result = await build({
  absWorkingDir: here,
  entryPoints: { playground: 'src/playground.jsx', 'playground-style': 'src/playground.css', redoc: 'src/redoc.jsx', 'redoc-style': 'src/redoc.css', docs: 'src/docs.js', 'docs-style': 'src/docs.css' },
  outdir: out,
  bundle: true,
  minify: true,
  write: false,
  format: 'iife',
  target: ['es2022'],
  jsx: 'automatic',
  legalComments: 'linked',
  loader: { '.graphql': 'text', '.woff2': 'dataurl', '.woff': 'dataurl' },
  define: { 'process.env.NODE_ENV': '"production"', __webpack_nonce__: 'globalThis.styleNonce', global: 'globalThis' },
  plugins: [fixedRedoc],
  logLevel: 'warning',
});

const files = new Map(result.outputFiles.map((f) => [path.basename(f.path), f.contents]));
for (const name of ['swagger-ui-bundle.js', 'swagger-ui-bundle.js.LICENSE.txt', 'swagger-ui.css']) {
  files.set(name, readFileSync(path.join(modules, 'swagger-ui-dist', name)));
}

mkdirSync(out, { recursive: true });
for (const name of readdirSync(out)) {
  if (name.endsWith('.gz')) rmSync(path.join(out, name));
}
let total = 0;
for (const [name, contents] of files) {
  const compressed = gzipSync(contents, { level: 9 });
  total += compressed.length;
  writeFileSync(path.join(out, `${name}.gz`), compressed);
}
console.log(`web assets: ${files.size} files, ${(total / 1000).toFixed(0)} kB compressed`);
