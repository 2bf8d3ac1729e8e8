/**
 * GRUB's script language, as far as generated configurations use it: words with quotes and variables, `if`, `for`,
 * `while`, functions, blocks, `&&` and `||` [GRUB manual 2.06, 6 "Writing your own configuration file"]. Parsing gives
 * a tree; `grub-interpreter.ts` runs it.
 */

/** A piece of a word: text, or the value of a variable. */
export interface WordPart {
  readonly text: string;
  readonly isVariable: boolean;
  readonly isQuoted: boolean;
}
export type Word = readonly WordPart[];

export type Statement =
  | { readonly kind: 'command'; readonly words: readonly Word[]; readonly block: readonly Statement[] | undefined }
  | { readonly kind: 'if'; readonly branches: readonly Branch[]; readonly otherwise: readonly Statement[] }
  | { readonly kind: 'for'; readonly name: string; readonly words: readonly Word[];
      readonly body: readonly Statement[] }
  | { readonly kind: 'while'; readonly condition: readonly Statement[]; readonly body: readonly Statement[];
      readonly isUntil: boolean }
  | { readonly kind: 'function'; readonly name: string; readonly body: readonly Statement[] }
  | { readonly kind: 'both' | 'either'; readonly first: Statement; readonly second: Statement };

export interface Branch {
  readonly condition: readonly Statement[];
  readonly body: readonly Statement[];
}

type Token = Word | ';' | '&&' | '||' | '{' | '}';

const TOKENS_MAX = 200_000;
const DEPTH_MAX = 40;

/** Undefined for what is no script, or too much of one. */
export function parseGrubScript(text: string): readonly Statement[] | undefined {
  const tokens = tokenize(text);
  if (tokens === undefined) return undefined;
  const parser = new Parser(tokens);
  const statements = parser.statements([]);
  return parser.isDone ? statements : undefined;
}

function tokenize(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  const lexer = /(?:[ \t\r]|\\\r?\n)+|#[^\n]*|(\n|;+)|(&&|\|\||[{}](?=[\s;]|$))/y;
  let at = 0;
  while (at < text.length) {
    if (tokens.length > TOKENS_MAX) return undefined;
    lexer.lastIndex = at;
    const match = lexer.exec(text);
    if (match !== null) {
      at = lexer.lastIndex;
      if (match[1] !== undefined) tokens.push(';');
      if (match[2] !== undefined) tokens.push(match[2] as Token);
      continue;
    }
    const word = readWord(text, at);
    if (word === undefined) return undefined;
    tokens.push(word.parts);
    at = word.end;
  }
  return tokens;
}

/** A word up to a blank or an operator that is not quoted. */
function readWord(text: string, start: number): { parts: Word; end: number } | undefined {
  const parts: WordPart[] = [];
  const piece = /'([^']*)'|\$(?:\{(\w+|[?@*#])\}|(\w+|[?@*#]))|\\([^])|"|([^\s;&|'"$\\]+|[&|$])/y;
  let at = start;
  let isQuoted = false;
  const add = (value: string, isVariable = false, quoted = isQuoted): void => {
    parts.push({ text: value, isVariable, isQuoted: quoted });
  };
  while (at < text.length) {
    if (isQuoted && /[\s;&|']/.test(text[at]!)) {
      add(text[at]!);
      at++;
      continue;
    }
    if (!isQuoted && (/[\s;]/.test(text[at]!) || text.startsWith('&&', at) || text.startsWith('||', at))) break;
    piece.lastIndex = at;
    const match = piece.exec(text);
    if (match === null) return undefined;
    at = piece.lastIndex;
    const variable = match[2] ?? match[3];
    if (match[0] === '"') {
      isQuoted = !isQuoted;
      // Nothing in quotes is a word of its own.
      add('', false, true);
    } else if (match[1] !== undefined) {
      add(match[1], false, true);
    } else if (variable !== undefined) {
      add(variable, true);
    } else if (match[4] !== undefined) {
      const keepsSlash = isQuoted && !'$"\\\n'.includes(match[4]);
      add(match[4] === '\n' ? '' : keepsSlash ? `\\${match[4]}` : match[4], false, true);
    } else {
      add(match[5]!);
    }
  }
  return isQuoted ? undefined : { parts, end: at };
}

/** The text of a word without variables and quotes: what a keyword is. */
function keywordOf(token: Token | undefined): string | undefined {
  if (token === undefined || typeof token === 'string') return undefined;
  if (token.some(({ isVariable, isQuoted }) => isVariable || isQuoted)) return undefined;
  return token.map(({ text }) => text).join('');
}

/** Recursive descent; what does not fit leaves tokens over, so that the whole is refused. */
class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get isDone(): boolean {
    return this.#at >= this.#tokens.length;
  }

  /** Statements up to one of the words, which is left to be read. */
  statements(ends: readonly string[]): Statement[] {
    const found: Statement[] = [];
    if (++this.#depth > DEPTH_MAX) return found;
    for (;;) {
      while (this.#tokens[this.#at] === ';') this.#at++;
      const token = this.#tokens[this.#at];
      const word = token === '}' ? '}' : keywordOf(token);
      if (token === undefined || (word !== undefined && ends.includes(word))) break;
      const statement = this.#chain();
      if (statement === undefined) break;
      found.push(statement);
    }
    this.#depth--;
    return found;
  }

  #chain(): Statement | undefined {
    let first = this.#statement();
    while (first !== undefined && (this.#tokens[this.#at] === '&&' || this.#tokens[this.#at] === '||')) {
      const kind = this.#tokens[this.#at++] === '&&' ? 'both' : 'either';
      const second = this.#statement();
      if (second === undefined) return undefined;
      first = { kind, first, second };
    }
    return first;
  }

  #statement(): Statement | undefined {
    switch (keywordOf(this.#tokens[this.#at])) {
      case 'if': return this.#if();
      case 'for': return this.#for();
      case 'while': return this.#while(false);
      case 'until': return this.#while(true);
      case 'function': return this.#function();
      default: return this.#command();
    }
  }

  #take(word: string): boolean {
    const token = this.#tokens[this.#at];
    if ((typeof token === 'string' ? token : keywordOf(token)) !== word) return false;
    this.#at++;
    return true;
  }

  #if(): Statement | undefined {
    const branches: Branch[] = [];
    while (this.#take(branches.length === 0 ? 'if' : 'elif')) {
      const condition = this.statements(['then']);
      if (!this.#take('then')) return undefined;
      branches.push({ condition, body: this.statements(['elif', 'else', 'fi']) });
    }
    const otherwise = this.#take('else') ? this.statements(['fi']) : [];
    return this.#take('fi') ? { kind: 'if', branches, otherwise } : undefined;
  }

  #for(): Statement | undefined {
    this.#at++;
    const name = keywordOf(this.#tokens[this.#at++]);
    if (name === undefined || !this.#take('in')) return undefined;
    const words = this.#words();
    const body = this.#loopBody();
    return body === undefined ? undefined : { kind: 'for', name, words, body };
  }

  #while(isUntil: boolean): Statement | undefined {
    this.#at++;
    const condition = this.statements(['do']);
    const body = this.#loopBody();
    return body === undefined ? undefined : { kind: 'while', condition, body, isUntil };
  }

  #loopBody(): Statement[] | undefined {
    while (this.#tokens[this.#at] === ';') this.#at++;
    if (!this.#take('do')) return undefined;
    const body = this.statements(['done']);
    return this.#take('done') ? body : undefined;
  }

  #function(): Statement | undefined {
    this.#at++;
    const name = keywordOf(this.#tokens[this.#at++]);
    const body = this.#block();
    return name === undefined || body === undefined ? undefined : { kind: 'function', name, body };
  }

  #command(): Statement | undefined {
    const words = this.#words();
    if (words.length === 0) return undefined;
    if (this.#tokens[this.#at] !== '{') return { kind: 'command', words, block: undefined };
    const block = this.#block();
    return block === undefined ? undefined : { kind: 'command', words, block };
  }

  #block(): Statement[] | undefined {
    while (this.#tokens[this.#at] === ';') this.#at++;
    if (!this.#take('{')) return undefined;
    const body = this.statements(['}']);
    return this.#take('}') ? body : undefined;
  }

  #words(): Word[] {
    const words: Word[] = [];
    for (let token = this.#tokens[this.#at]; token !== undefined && typeof token !== 'string';
      token = this.#tokens[++this.#at]) words.push(token);
    return words;
  }
}
