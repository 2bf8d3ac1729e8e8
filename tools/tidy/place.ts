/**
 * The repository speaks of the product alone: no path of one person's machine, no host name of a package registry, no
 * word of how or by whom it was made.
 */

import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { eachLine, type Rule } from './rule.ts';

/** Paths that exist on one machine only. A home directory of somebody is one. */
const MACHINE_PATH = /(?:^|[^A-Za-z0-9_.\-/$}])\/(?:work|farm|home\/[a-z]+|Users\/[A-Za-z]+)\//;
const WORKPLACE = [
  /\bissues? #?\d+\b/i, /\bthis session\b/i, /\bwork ?place\b/i, /\bas an AI\b/i, /\blanguage model\b/i,
];
/** The files that name these words in order to forbid them. */
const EXEMPT = /^tools\/tidy(\/|\.)/;

/** Host names that the package managers of this machine fetch from; naming one would bind the repository to it. */
export function registryHosts(): string[] {
  const texts = [npmRegistry(), ...aptSources()];
  const matches = texts.flatMap((text) => [...text.matchAll(/https?:\/\/([A-Za-z0-9.-]+\.[a-z]+)/g)]);
  return [...new Set(matches.map((match) => match[1] ?? ''))].sort();
}

function npmRegistry(): string {
  const stdio: ('ignore' | 'pipe')[] = ['ignore', 'pipe', 'ignore'];
  try {
    return execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8', stdio });
  } catch {
    return '';
  }
}

function aptSources(): string[] {
  const folder = '/etc/apt/sources.list.d';
  const names = ['/etc/apt/sources.list'];
  try {
    names.push(...readdirSync(folder).map((name) => `${folder}/${name}`));
  } catch {
    // No apt here: nothing to look for.
  }
  return names.flatMap((name) => {
    try {
      return [readFileSync(name, 'utf8')];
    } catch {
      return [];
    }
  });
}

/** Rules about the place, given the hosts that are not to be named. */
export function placeRules(hosts: readonly string[]): readonly Rule[] {
  return [(file) => EXEMPT.test(file.path) ? [] : eachLine(file, (line) => {
    const host = hosts.find((name) => line.includes(name));
    if (host !== undefined) return `names the registry host ${host}`;
    if (MACHINE_PATH.test(line)) return 'names a path of one machine';
    const word = WORKPLACE.find((pattern) => pattern.test(line));
    return word === undefined ? undefined : 'speaks of how it was made, not of the product';
  })];
}
