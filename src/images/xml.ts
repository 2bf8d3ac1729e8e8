/**
 * XML as far as descriptions of machines use it [XML 1.0]: elements, attributes, text, comments, CDATA. Names lose
 * their prefix. There are no document types and no entities but the five of XML and numbers, so that nothing can grow.
 */

import { badArchive } from './bad-archive.ts';

export interface XmlElement {
  readonly name: string;
  /** By their names without prefixes. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  readonly text: string;
}

const DEPTH_MAX = 64;
const ELEMENTS_MAX = 50_000;
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', apos: "'", quot: '"' };

interface OpenElement {
  readonly name: string;
  readonly fullName: string;
  readonly attributes: Map<string, string>;
  readonly children: XmlElement[];
  text: string;
}

/** @throws OperatingError for what is no such document. */
export function parseXml(text: string, what: string): XmlElement {
  const token = new RegExp([
    '<!--[^]*?-->', '<\\?[^]*?\\?>', '<!\\[CDATA\\[([^]*?)\\]\\]>', '</([^\\s>]+)\\s*>',
    `<([^\\s/>!?]+)((?:[^>"']|"[^"]*"|'[^']*')*)>`, '([^<]+)',
  ].join('|'), 'y');
  const open: OpenElement[] = [{ name: '', fullName: '', attributes: new Map(), children: [], text: '' }];
  let count = 0;
  while (token.lastIndex < text.length) {
    const at = token.lastIndex;
    const match = token.exec(text);
    if (match === null) throw badArchive(`${what} is no XML at character ${at}`);
    const [, data, end, start, rest = '', content] = match;
    const here = open.at(-1)!;
    if (data !== undefined) here.text += data;
    else if (content !== undefined) here.text += unescaped(content);
    else if (end !== undefined) close(open, end, what);
    else if (start !== undefined) {
      if (++count > ELEMENTS_MAX || open.length > DEPTH_MAX) throw badArchive(`${what} has too many elements`);
      const attributes = attributesOf(rest);
      open.push({ name: withoutPrefix(start), fullName: start, attributes, children: [], text: '' });
      if (rest.trimEnd().endsWith('/')) close(open, start, what);
    }
  }
  const root = open[0]!.children[0];
  if (open.length !== 1 || root === undefined) throw badArchive(`${what} ends before its elements do`);
  return root;
}

function close(open: OpenElement[], name: string, what: string): void {
  const element = open.pop()!;
  const parent = open.at(-1);
  const isOpen = parent !== undefined && element.fullName === name;
  if (!isOpen) throw badArchive(`${what} closes <${name}>, which is not open`);
  const { attributes, children, text } = element;
  parent.children.push({ name: element.name, attributes, children, text: text.trim() });
}

function attributesOf(text: string): Map<string, string> {
  return new Map([...text.matchAll(/([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)].map(([, name, double, single]) =>
    [withoutPrefix(name!), unescaped(double ?? single ?? '')]));
}

function withoutPrefix(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}

function unescaped(text: string): string {
  return text.replaceAll(/&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|(\w+));/g, (whole, hex, decimal, name: string) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return code <= 0x10_ffff ? String.fromCodePoint(code) : whole;
  });
}

/** All elements of a name, at any depth. */
export function elementsOf(element: XmlElement, name: string): XmlElement[] {
  return element.children.flatMap((child) => [...child.name === name ? [child] : [], ...elementsOf(child, name)]);
}

export function textOf(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}
