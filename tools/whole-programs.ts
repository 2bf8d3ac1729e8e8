/**
 * What starts as a process or a thread while a user waits is made of few files, by esbuild, in dist/whole/: Node takes
 * a third of a second to find and link two hundred modules, and every thread does it again. What a program imports
 * dynamically is in files of its own, which are read when it is asked for.
 */

import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { type OutputFile, type Plugin, build } from 'esbuild';

const FOLDER = 'dist/whole';
const PROGRAMS = [
  'src/cli/main', 'src/machine/process/vm-process', 'src/machine/processor-worker', 'src/machine/storage-worker',
  'src/machine/network-worker',
];

/** Each file is written only when it is another, so that a build that changes nothing disturbs nobody who runs. */
export async function buildWholePrograms(root: string): Promise<void> {
  const folder = join(root, FOLDER);
  // One by one, as files that two of them share would make each of more files.
  const files = (await Promise.all(PROGRAMS.map(async (program) => await bundled(root, program)))).flat();
  mkdirSync(folder, { recursive: true });
  const old = new Set(readdirSync(folder));
  for (const { path, contents } of files) {
    if (!old.delete(basename(path)) || !readFileSync(path).equals(contents)) writeFileSync(path, contents);
  }
  for (const name of old) rmSync(join(folder, name));
}

async function bundled(root: string, program: string): Promise<OutputFile[]> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [`dist/${program}.js`],
    outdir: FOLDER,
    chunkNames: `${basename(program)}-[hash]`,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    sourcemap: true,
    sourcesContent: false,
    plugins: [findsWhatLiesBeside(join(root, FOLDER))],
    write: false,
  });
  return outputFiles;
}

/** A module goes on to find files where it was compiled to, not where its program lies. */
function findsWhatLiesBeside(folder: string): Plugin {
  return {
    name: 'beside',
    setup: ({ onLoad }) => {
      onLoad({ filter: /\.js$/ }, ({ path }) => {
        const here = `new URL('${relative(folder, path)}', import.meta.url).href`;
        return { contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', here) };
      });
    },
  };
}
