/**
 * The import table: each folder of src/ is a layer, and may import what its row names. Tests beside a file obey the row
 * of their folder. Project references alone would let a layer reach through to deeper ones.
 */

import { posix } from 'node:path';
import type { Problem, Rule } from './rule.ts';

export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  kit: ['wire'],
  protocols: ['wire'],
  // What it keeps for a partition and a processor is a declared layout of its own, and no protocol: hence wire.
  hypervisor: ['wire', 'kit', 'protocols'],
  engine: ['kit', 'hypervisor'],
  kvm: ['kit', 'hypervisor'],
  vmbus: ['kit', 'protocols', 'hypervisor'],
  vsp: ['kit', 'protocols', 'vmbus'],
  chipset: ['kit', 'protocols', 'hypervisor'],
  storage: ['kit', 'protocols'],
  vswitch: ['kit', 'protocols'],
  images: ['kit', 'storage'],
  machine: [
    'wire', 'kit', 'protocols', 'hypervisor', 'engine', 'kvm', 'vmbus', 'vsp', 'chipset', 'storage', 'vswitch',
    'images',
  ],
  api: ['wire'],
  store: ['kit'],
  // Errors and ports are what programs see of it.
  host: ['kit', 'machine', 'vswitch', 'images', 'api', 'store'],
  cluster: ['host', 'store'],
  // `partout boot` needs no service running: it reaches the machine itself.
  cli: ['kit', 'api', 'host', 'images', 'storage', 'machine'],
};

/** Layers that run anywhere, a browser included: nothing of Node. Their tests are run by Node and may use it. */
const PURE = ['wire', 'protocols', 'api'];
/** Folders beside src/ that see everything of it. */
const FREE = ['tests', 'bench', 'fuzz', 'tools'];
const NODE_ONLY_IN_TESTS = ['fast-check'];

/** `import … from 'x'`, `export … from 'x'`, `import('x')` and `import 'x'`. */
const SPECIFIER =
  /(?:^|[\s;}])(?:import|export)\b[^'";]*?\bfrom\s*'([^']+)'|\bimport\(\s*'([^']+)'|^import\s*'([^']+)'/gm;

export const importsFollowTheTable: Rule = (file) => {
  if (!/^(src|tests|bench|fuzz|tools)\/.*\.ts$/.test(file.path)) return [];
  return [...file.text.matchAll(SPECIFIER)].flatMap((match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? '';
    const message = refusal(file.path, specifier);
    const line = file.text.slice(0, match.index).split('\n').length + (match[0].startsWith('\n') ? 1 : 0);
    return message === undefined ? [] : [{ path: file.path, line, message } satisfies Problem];
  });
};

function refusal(path: string, specifier: string): string | undefined {
  const layer = layerOf(path);
  if (!specifier.startsWith('.')) return packageRefusal(path, layer, specifier);
  const target = posix.join(posix.dirname(path), specifier);
  const targetLayer = layerOf(target);
  if (layer === undefined) return undefined;
  if (targetLayer === undefined) return `src/${layer} reaches outside src: ${specifier}`;
  if (targetLayer === layer || LAYERS[layer]?.includes(targetLayer) === true) return undefined;
  if (LAYERS[layer] === undefined) return `src/${layer} has no row in the import table`;
  return `src/${layer} may import ${LAYERS[layer].join(', ') || 'nothing'}, not ${targetLayer}`;
}

function packageRefusal(path: string, layer: string | undefined, specifier: string): string | undefined {
  const isTest = path.endsWith('.test.ts') || FREE.some((folder) => path.startsWith(`${folder}/`));
  if (isTest) return undefined;
  if (NODE_ONLY_IN_TESTS.includes(specifier) || specifier === 'node:test') return `${specifier} is for tests`;
  if (layer !== undefined && PURE.includes(layer)) return `src/${layer} runs anywhere, and ${specifier} does not`;
  return undefined;
}

function layerOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}
