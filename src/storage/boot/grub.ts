/**
 * The entry that GRUB would start by itself: its configuration is run as far as it decides that, its menu is gathered,
 * and the default entry's commands are carried out but for the last step [GRUB manual 2.06]. What GRUB would write
 * (that a `grub-reboot` holds once) is not written.
 */

import type { DiskFiles, MountedPartition } from './disk-files.ts';
import { type BootFile, CONFIGURATION_BYTES_MAX, type LoaderEntry, joined } from './boot-entry.ts';
import { GrubInterpreter } from './grub-interpreter.ts';
import type { Statement } from './grub-script.ts';
import { readBlsEntries } from './loader-specification.ts';

/** In the order in which they are looked for: a root file system, then a partition for /boot. */
const CONFIGURATIONS = [
  '/boot/grub/grub.cfg', '/boot/grub2/grub.cfg', '/grub/grub.cfg', '/grub2/grub.cfg',
];
const ENVIRONMENT_BYTES_MAX = 65_536;
const ENTRIES_MAX = 1000;
const SOURCES_MAX = 64;

interface MenuEntry {
  readonly title: string;
  readonly id: string;
  readonly isSubmenu: boolean;
  run(): void;
}

/** Undefined when the disk has no configuration of GRUB; an entry without a kernel is none that can be started. */
export function findGrubEntry(disk: DiskFiles): LoaderEntry | 'nothing to start' | undefined {
  for (const path of CONFIGURATIONS) {
    for (const partition of disk.partitions) {
      const text = partition.files.readText(path, CONFIGURATION_BYTES_MAX);
      if (text === undefined) continue;
      return new Grub(disk, partition, path).entry(text) ?? 'nothing to start';
    }
  }
  return undefined;
}

class Grub {
  readonly #disk: DiskFiles;
  readonly #shell: GrubInterpreter;
  #menu: MenuEntry[] = [];
  #sources = 0;
  #kernel: { readonly file: BootFile; readonly commandLine: string } | undefined;
  #initrds: readonly BootFile[] = [];

  constructor(disk: DiskFiles, partition: MountedPartition, path: string) {
    this.#disk = disk;
    const root = deviceOf(partition);
    this.#shell = new GrubInterpreter({
      variables: new Map([
        ['root', root], ['prefix', `(${root})${path.slice(0, path.lastIndexOf('/'))}`], ['grub_platform', 'efi'],
        ['grub_cpu', 'x86_64'], ['cmdpath', `(${root})`], ['feature_menuentry_id', 'y'],
        ['feature_timeout_style', 'y'], ['feature_platform_search_hint', 'y'], ['feature_default_font_path', 'y'],
        ['feature_all_video_module', 'y'], ['feature_200_final', 'y'],
      ]),
      command: (name, words, block) => this.#command(name, words, block),
      isThere: (file, kind) => this.#isThere(file, kind),
    });
  }

  entry(text: string): LoaderEntry | undefined {
    if (!this.#shell.runText(text)) return undefined;
    const entry = this.#choose();
    entry?.run();
    if (this.#kernel === undefined) return undefined;
    return {
      title: entry?.title ?? '', loader: 'grub', kernel: this.#kernel.file, initrds: this.#initrds,
      commandLine: this.#kernel.commandLine,
    };
  }

  /** `default` is a number, a title or an id, or several of them with ">" between where there are submenus. */
  #choose(): MenuEntry | undefined {
    const wanted = (this.#shell.variables.get('default') ?? '').split('>');
    let menu = this.#menu;
    let entry: MenuEntry | undefined;
    for (let depth = 0; depth < 10 && menu.length > 0; depth++) {
      const name = wanted[depth] ?? '';
      const index = /^\d+$/.test(name) ? Number(name) : -1;
      entry = menu[index] ?? menu.find(({ id, title }) => name !== '' && (id === name || title === name)) ?? menu[0]!;
      if (!entry.isSubmenu) return entry;
      this.#menu = [];
      entry.run();
      menu = this.#menu;
    }
    return entry?.isSubmenu === true ? undefined : entry;
  }

  #command(name: string, words: readonly string[], block: readonly Statement[] | undefined): boolean {
    switch (name) {
      case 'menuentry': case 'submenu':
        if (block !== undefined) this.#addEntry(words, block, name === 'submenu');
        return true;
      case 'linux': case 'linuxefi': case 'linux16': return this.#linux(words);
      case 'initrd': case 'initrdefi': case 'initrd16':
        this.#initrds = words.flatMap((word) => this.#fileAt(word) ?? []);
        return this.#initrds.length === words.length;
      case 'search': case 'search.fs_uuid': case 'search.fs_label': case 'search.file':
        return this.#search(name, words);
      case 'source': case 'configfile': case '.': return this.#source(words[0] ?? '');
      case 'load_env': return this.#loadEnvironment(words);
      case 'blscfg': return this.#addBlsEntries();
      default: return true;
    }
  }

  #addEntry(words: readonly string[], block: readonly Statement[], isSubmenu: boolean): void {
    if (this.#menu.length >= ENTRIES_MAX) return;
    const [title = '', ...rest] = words;
    const option = rest.findIndex((word) => word === '--id' || word.startsWith('--id='));
    const id = option < 0 ? '' : rest[option]!.slice('--id='.length) || rest[option + 1] || '';
    const parameters = [title, ...rest.filter((word, at) => !word.startsWith('-') && at !== option + 1)];
    this.#menu.push({
      title, id, isSubmenu,
      run: () => {
        this.#shell.set('chosen', title);
        this.#shell.run(block, parameters);
      },
    });
  }

  #linux(words: readonly string[]): boolean {
    const [path = '', ...rest] = words;
    const file = this.#fileAt(path);
    if (file === undefined) return false;
    this.#kernel = { file, commandLine: joined(rest) };
    return true;
  }

  /** Entries of the Boot Loader Specification, which a configuration of Fedora's kind asks for. */
  #addBlsEntries(): boolean {
    const partition = this.#partitionOf(this.#shell.variables.get('root') ?? '');
    if (partition === undefined) return false;
    for (const entry of readBlsEntries(partition)) {
      this.#menu.push({
        title: entry.title, id: entry.id, isSubmenu: false,
        run: () => {
          const value = entry.options.replaceAll(/\$\{?(\w+)\}?/g, (_, name: string) =>
            this.#shell.variables.get(name) ?? '');
          this.#kernel = { file: this.#fileAt(entry.kernel)!, commandLine: joined(value.split(/\s+/)) };
          this.#initrds = entry.initrds.filter((path) => !path.startsWith('$')).flatMap((path) =>
            this.#fileAt(path) ?? []);
        },
      });
    }
    return true;
  }

  #search(name: string, words: readonly string[]): boolean {
    let kind = /\.(\w+)$/.exec(name)?.[1];
    let variable = 'root';
    const rest: string[] = [];
    for (let at = 0; at < words.length; at++) {
      const word = words[at]!;
      if (word === '--fs-uuid' || word === '-u') kind = 'fs_uuid';
      else if (word === '--label' || word === '-l' || word === '--fs-label') kind = 'fs_label';
      else if (word === '--file' || word === '-f') kind = 'file';
      else if (word === '-s' || word === '--set') variable = words[++at] ?? variable;
      else if (word.startsWith('--set=')) variable = word.slice('--set='.length);
      else if (word === '--hint' || word === '-h') at++;
      else if (!word.startsWith('-')) rest.push(word);
    }
    const [wanted = '', place] = rest;
    if (name !== 'search' && place !== undefined) variable = place;
    const found = this.#disk.partitions.find(({ files }) => {
      if (kind === 'fs_uuid') return files.uuid.toLowerCase() === wanted.toLowerCase();
      return kind === 'fs_label' ? files.label === wanted : files.kindOf(wanted) !== undefined;
    });
    return found !== undefined && this.#shell.set(variable, deviceOf(found));
  }

  #source(path: string): boolean {
    const text = ++this.#sources > SOURCES_MAX ? undefined : this.#read(path, CONFIGURATION_BYTES_MAX);
    return text !== undefined && this.#shell.runText(text);
  }

  /** Lines of "name=value" in a file of its own [GRUB manual 15.2]. */
  #loadEnvironment(words: readonly string[]): boolean {
    const option = words.findIndex((word) => word === '-f' || word === '--file');
    const path = option >= 0 ? words[option + 1] : words.find((word) => word.startsWith('--file='))?.slice(7);
    const text = this.#read(path ?? `${this.#shell.variables.get('prefix') ?? ''}/grubenv`, ENVIRONMENT_BYTES_MAX);
    if (text === undefined || !text.startsWith('# GRUB Environment Block')) return false;
    for (const [, name, value] of text.matchAll(/^(\w+)=(.*)$/gm)) this.#shell.set(name!, value!);
    return true;
  }

  #read(path: string, maxBytes: number): string | undefined {
    const file = this.#fileAt(path);
    const partition = this.#disk.partitions.find(({ number }) => number === file?.partition);
    return file === undefined ? undefined : partition?.files.readText(file.path, maxBytes);
  }

  #isThere(path: string, kind: 'file' | 'folder' | 'any' | 'content'): boolean {
    const [partition, place] = this.#locate(path);
    const found = partition?.files.kindOf(place);
    return kind === 'any' ? found !== undefined : found === (kind === 'folder' ? 'folder' : 'file');
  }

  #fileAt(path: string): BootFile | undefined {
    const [partition, place] = this.#locate(path);
    return partition?.files.kindOf(place) === 'file' ? { partition: partition.number, path: place } : undefined;
  }

  /** "(hd0,gpt1)/boot/x", or "/boot/x" of the root. */
  #locate(path: string): [MountedPartition | undefined, string] {
    const [, device, rest] = /^\(([^)]*)\)(.*)$/s.exec(path) ?? [];
    if (device !== undefined) return [this.#partitionOf(device), rest!];
    return [this.#partitionOf(this.#shell.variables.get('root') ?? ''), path];
  }

  #partitionOf(device: string): MountedPartition | undefined {
    const number = Number(/^hd0(?:,(?:gpt|msdos)?(\d+))?$/.exec(device)?.[1] ?? (device === 'hd0' ? 0 : -1));
    return this.#disk.partitions.find((each) => each.number === number);
  }
}

function deviceOf({ number }: MountedPartition): string {
  return number === 0 ? 'hd0' : `hd0,gpt${number}`;
}

