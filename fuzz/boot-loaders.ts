/** Damaged configurations of GRUB, run to their end: an entry, or none, soon. */

import { GrubInterpreter } from '../src/storage/boot/grub-interpreter.ts';
import { parseGrubScript } from '../src/storage/boot/grub-script.ts';
import { generator } from '../src/storage/testing/crash-file.ts';
import type { Tally } from '../tools/fuzz-target.ts';

const PIECES = [
  'if', 'then', 'elif', 'else', 'fi', 'for', 'in', 'do', 'done', 'while', 'until', 'function', '{', '}', ';', '\n',
  '&&', '||', '[', ']', '!', '-a', '-o', '-eq', 'set', 'x=$x$y', 'y="$x y"', "'a b'", '"', "'", '\\',
  '$', '${x}', '${', '$1', '$@',
  '$#', '$?', 'menuentry', 'submenu', 'f', 'true', 'false', 'unset', 'x', '#c', '=', '-f', '1', ' ', 'source', '\\\n',
];
const TEXTS = [
  'set default="0"\nif [ -s $prefix/grubenv ]; then load_env; fi\nmenuentry "a" --id b { linux /k $x; initrd /i }\n',
  'function f { if [ "$1" = 3 ]; then true; else f 3 && y=$1; fi }\nfor x in a b "c d"; do f $x || false; done\n',
  'until [ "$n" = xxx ]; do n=x$n; done; while false; do true; done; submenu s { menuentry t { true } }\n',
];

export const target = {
  name: 'boot-loaders',
  covers: ['src/storage/boot/grub'],
  run(seed: number, iterations: number, tally: Tally): void {
    const next = generator(seed);
    for (let iteration = 0; iteration < iterations; iteration++) {
      const text = changed(next);
      tally.input(parseGrubScript(text) !== undefined);
      const variables = new Map<string, string>();
      let menu = 0;
      const shell: GrubInterpreter = new GrubInterpreter({
        variables, isThere: () => next(2) === 0,
        command: (_, words, block) => {
          menu++;
          if (block !== undefined && menu < 50) shell.run(block, words);
          return next(2) === 0;
        },
      });
      shell.runText(text);
      for (const [name, value] of variables) {
        if (value.length > 65_536 || name.length > 65_536) throw new Error(`${name} has grown to ${value.length}`);
      }
    }
  },
};

function changed(next: (limit: number) => number): string {
  let text = next(4) === 0 ? '' : TEXTS[next(TEXTS.length)] as string;
  for (let count = next(12); count > 0; count--) {
    const at = next(text.length + 1);
    const piece = ` ${PIECES[next(PIECES.length)] as string}${next(2) === 0 ? ' ' : ''}`.slice(next(2));
    const isCut = next(4) === 0;
    text = text.slice(0, at) + (isCut ? text.slice(at + 1 + next(8)) : piece + text.slice(at));
  }
  return text;
}
