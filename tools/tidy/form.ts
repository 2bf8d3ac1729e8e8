/** The form of source files: what opens them, how long lines and files are, how they are named, what is left over. */

import { eachLine, type Problem, type Rule, type SourceText } from './rule.ts';

const MAXIMUM_COLUMNS = 120;
const MAXIMUM_LINES = 350;
/** Files that are tables of data, one row a line, and may be as long as their subject. */
const TABLES = /(?:^src\/engine\/(?:isa|core)\/|-table\.ts$|\/layout\.ts$|\/format\.ts$|\.test\.ts$)/;

const LEFT_OVER = /\b(TODO|FIXME|XXX|HACK)\b/;
const FOCUSED_TEST = /\b(test|it|describe|suite)\.only\(/;

function isTypeScript(file: SourceText): boolean {
  return file.path.endsWith('.ts');
}

const linesFit: Rule = (file) => {
  if (!isTypeScript(file)) return [];
  const tooLong = (line: string): string | undefined =>
    line.length > MAXIMUM_COLUMNS ? `${line.length} columns, ${MAXIMUM_COLUMNS} fit` : undefined;
  return eachLine(file, tooLong);
};

const fileIsSmall: Rule = (file) => {
  const count = file.lines.length - 1;
  if (!isTypeScript(file) || TABLES.test(file.path) || count <= MAXIMUM_LINES) return [];
  return [{ path: file.path, line: 1, message: `${count} lines: split it by concept below ${MAXIMUM_LINES}` }];
};

/** A test beside its subject need not say again what that is. */
const opensWithComment: Rule = (file) => {
  if (!isTypeScript(file) || file.path.endsWith('.test.ts') || /^(\/\*\*|\/\/) ?\S|^\/\*\*\n/.test(file.text))
    return [];
  return [{ path: file.path, line: 1, message: 'does not open with a comment that says what it is' }];
};

const nameIsKebabCase: Rule = (file) => {
  const name = file.path.slice(file.path.lastIndexOf('/') + 1);
  if (!isTypeScript(file) || /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|prop|bench|fuzz|d))*\.ts$/.test(name)) return [];
  return [{ path: file.path, line: 1, message: 'file names are kebab-case' }];
};

const nothingIsLeftOver: Rule = (file) => file.path === 'tools/tidy/form.ts' ? [] : eachLine(file, (line) => {
  if (LEFT_OVER.test(line)) return 'marked as left over: finish it, or say it in a sentence';
  if (FOCUSED_TEST.test(line)) return 'runs one test and hides the others';
  return undefined;
});

/** A layout is worth what its source is worth: [TLFS 11.3], [Intel SDM 3A, 11.8.3], [Linux Documentation/…]. */
const layoutsCiteTheirSource: Rule = (file) => {
  if (!file.path.startsWith('src/protocols/') || !isTypeScript(file) || file.path.endsWith('.test.ts')) return [];
  if (/\[[A-Z][^\]]+\]/.test(file.text)) return [];
  const problem: Problem = { path: file.path, line: 1, message: 'cites no specification, as in [TLFS 11.3]' };
  return [problem];
};

export const FORM_RULES: readonly Rule[] = [
  linesFit, fileIsSmall, opensWithComment, nameIsKebabCase, nothingIsLeftOver, layoutsCiteTheirSource,
];
