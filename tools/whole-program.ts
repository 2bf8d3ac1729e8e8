/**
 * One file out of a compiled program and all of its modules: Node takes a third of a second to find and link two
 * hundred, and every thread does it again. Each module becomes a function that is called once and returns what it
 * exports, in the order in which Node would evaluate them; what is only imported dynamically is called when it is.
 *
 * It reads what our compiler writes, not ECMAScript: statements of import and export begin their line, exports are
 * declarations with a name, nothing but the program itself awaits at its top level, and no module imports itself
 * through others. Anything else is refused.
 */

import { posix } from 'node:path';

export interface WholeProgram {
  readonly text: string;
  /** An index map, a section for each module [ECMA-426]. */
  readonly map: string;
}

/** Of a module, by its path from the root. */
export interface ProgramFiles {
  /** The compiled text. */
  read(path: string): string;
  /** Its declarations, as the compiler writes them beside it. */
  readTypes(path: string): string;
  /** If it has one. */
  readMap(path: string): string | undefined;
}

interface Module {
  readonly path: string;
  /** What others call it. */
  readonly name: string;
  readonly text: string;
  /** What it exports by declaring it. */
  readonly declared: ReadonlySet<string>;
  /** Evaluated when it is first asked for. */
  readonly isLazy: boolean;
}

const STATIC_IMPORT = /^import (?:(?:(\w+)|\* as (\w+)|\{([^}]*)\}) from )?'([^']+)';$/gm;
const EXPORT_LIST = /^export \{([^}]*)\}(?: from '([^']+)')?;$/gm;
const EXPORT_DECLARATION = /^export ((?:async )?function\*?|class|const) (\w+)/gm;
const DECLARED = /^export declare (?:abstract )?(?:function|class|const) (\w+)/gm;
const DYNAMIC_IMPORT = /\bimport\('(\.[^']+)'\)/g;
const REFUSED = /^(?:import .*'|export (?:default|let|var|\*|const [[{])).*$/m;
const MAP_COMMENT = /^\/\/# sourceMappingURL=.*$/m;

/** `entry` and `output` are paths from the root, as all others. */
export function wholeProgram(entry: string, output: string, files: ProgramFiles): WholeProgram {
  const modules = modulesOf(entry, files);
  const linker = new Linker(modules, output);
  const parts = modules.map((module) => {
    const body = linker.rewritten(module);
    return { module, lines: (module.path === entry ? body : wrapped(module, body)).split('\n') };
  });
  linker.check();
  const lines = [...linker.outside].map(([specifier, name]) => `import * as ${name} from '${specifier}';`);
  const sections: object[] = [];
  for (const { module, lines: text } of parts) {
    lines.push(`// ${module.path}`);
    const map = files.readMap(module.path);
    const offset = { line: lines.length, column: 0 };
    if (map !== undefined) sections.push({ offset, map: moved(map, module, output) });
    lines.push(...text);
  }
  lines.push(`//# sourceMappingURL=${posix.basename(output)}.map`, '');
  return { text: lines.join('\n'), map: JSON.stringify({ version: 3, sections }) };
}

/** In the order of their evaluation, what is evaluated later first of all. */
function modulesOf(entry: string, files: ProgramFiles): Module[] {
  const [eager, lazy]: [Module[], Module[]] = [[], []];
  const found = new Set<string>();
  const dynamic: string[] = [];
  const visit = (path: string, isLazy: boolean, open: readonly string[]): void => {
    if (open.includes(path)) throw new Error(`modules import each other: ${[...open, path].join(' → ')}`);
    if (found.has(path)) return;
    const text = files.read(path);
    const within = [...open, path];
    for (const specifier of specifiersIn(text, STATIC_IMPORT, 4)) visit(pathOf(specifier, path), isLazy, within);
    for (const specifier of specifiersIn(text, EXPORT_LIST, 2)) visit(pathOf(specifier, path), isLazy, within);
    dynamic.push(...specifiersIn(text, DYNAMIC_IMPORT, 1).map((specifier) => pathOf(specifier, path)));
    const declared = new Set([...files.readTypes(path).matchAll(DECLARED)].map((match) => match[1] ?? ''));
    (isLazy ? lazy : eager).push({ path, name: `$${found.size}`, text, declared, isLazy });
    found.add(path);
  };
  visit(entry, false, []);
  for (const path of dynamic) visit(path, true, []);
  return [...lazy, ...eager];
}

/** Of modules of ours. */
function specifiersIn(text: string, pattern: RegExp, group: number): string[] {
  return [...text.matchAll(pattern)].flatMap((match) => match[group]?.startsWith('.') === true ? match[group] : []);
}

function pathOf(specifier: string, from: string): string {
  return posix.join(posix.dirname(from), specifier);
}

/** A whole program while it is put together. */
class Linker {
  readonly #output: string;
  readonly #modules: Map<string, Module>;
  /** Modules of Node and of packages, by specifier. */
  readonly outside = new Map<string, string>();
  readonly #exported = new Map<string, readonly string[]>();
  readonly #imported: { readonly by: string; readonly from: string; readonly name: string }[] = [];

  constructor(modules: readonly Module[], output: string) {
    this.#modules = new Map(modules.map((module) => [module.path, module]));
    this.#output = output;
  }

  /** The same lines, for a function's body or the end of the program; a last one returns what it exports. */
  rewritten({ path, text, declared }: Module): string {
    const exported: [as: string, value: string][] = [];
    const here = posix.relative(posix.dirname(this.#output), path);
    const body = text.replace(MAP_COMMENT, '')
      .replaceAll(STATIC_IMPORT, (whole, plain?: string, space?: string, names?: string, specifier = '') => {
        const from = this.#nameOf(specifier, path);
        if (space !== undefined) return keepLines(whole, `const ${space} = ${from};`);
        if (plain !== undefined) return keepLines(whole, `const { default: ${plain} } = ${from};`);
        if (names === undefined) return keepLines(whole, '');
        const pairs = pairsOf(names);
        for (const [name] of pairs) this.#note(path, specifier, name);
        return keepLines(whole, `const { ${pairs.map((pair) => pair.join(': ')).join(', ')} } = ${from};`);
      })
      .replaceAll(EXPORT_LIST, (whole, names: string, specifier?: string) => {
        const from = specifier === undefined ? '' : `${this.#nameOf(specifier, path)}.`;
        for (const [name, as] of pairsOf(names)) {
          exported.push([as, `${from}${name}`]);
          if (specifier !== undefined) this.#note(path, specifier, name);
        }
        return keepLines(whole, '');
      })
      .replaceAll(EXPORT_DECLARATION, (whole, keyword: string, name: string) => {
        // Within a template it is text.
        if (!declared.has(name)) return whole;
        exported.push([name, name]);
        return `${keyword} ${name}`;
      })
      .replaceAll(DYNAMIC_IMPORT, (_, specifier: string) =>
        `Promise.resolve().then(() => ${this.#nameOf(specifier, path)})`)
      .replaceAll('import.meta.url', `new URL('${here}', import.meta.url).href`);
    const refused = REFUSED.exec(body);
    if (refused !== null) throw new Error(`${path} says ${refused[0]}, which a whole program cannot`);
    this.#exported.set(path, exported.map(([as]) => as));
    if (exported.length === 0) return body;
    return `${body}\nreturn { ${exported.map((pair) => pair.join(': ')).join(', ')} };`;
  }

  /** @throws Error when a module imports what another does not export, as far as this program understands them. */
  check(): void {
    for (const { by, from, name } of this.#imported) {
      if (this.#exported.get(from)?.includes(name) !== true) throw new Error(`${by} misses ${name} of ${from}`);
    }
  }

  #nameOf(specifier: string, from: string): string {
    if (specifier.startsWith('.')) {
      const { name, isLazy } = this.#modules.get(pathOf(specifier, from)) as Module;
      return isLazy ? `${name}()` : name;
    }
    const name = this.outside.get(specifier) ?? `$outside${this.outside.size}`;
    this.outside.set(specifier, name);
    return name;
  }

  #note(by: string, specifier: string, name: string): void {
    if (specifier.startsWith('.')) this.#imported.push({ by, from: pathOf(specifier, by), name });
  }
}

/** Name and name there, of `a, b as c`. */
function pairsOf(names: string): [name: string, as: string][] {
  return names.split(',').filter((part) => part.trim() !== '').map((part) => {
    const [name = '', as = name] = part.trim().split(/\s+as\s+/);
    return [name, as];
  });
}

function wrapped({ name, isLazy }: Module, body: string): string {
  // In parentheses, so that V8 compiles at once what is called at once.
  return isLazy ? `let ${name}_; function ${name}() { return ${name}_ ??= (function () { ${body}\n})(); }`
    : `const ${name} = (() => { ${body}\n})();`;
}

/** Other text of as many lines. */
function keepLines(old: string, text: string): string {
  return text + '\n'.repeat(old.split('\n').length - 1);
}

/** A module's map, its sources as they are called from where the whole program lies. */
function moved(map: string, { path }: Module, output: string): object {
  const parsed = JSON.parse(map) as { readonly sources: readonly string[] };
  return {
    ...parsed,
    sources: parsed.sources.map((source) => posix.relative(posix.dirname(output), pathOf(source, path))),
  };
}
