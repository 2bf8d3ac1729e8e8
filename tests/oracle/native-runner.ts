/** Runs records on the host's own processor, by the machine code beside its source in native/. */

import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CODE, DATA, RECORD_SIZE, RIP, SampleRecord, USER_CODE_64, USER_DATA } from './record.ts';

/** Compiled tests run from dist/tests/oracle. */
const RUNNER = fileURLToPath(new URL('../../../tests/oracle/native/runner', import.meta.url));
const DEADLINE_MS = 60_000;

/** Linux's names of the features that instruction rows name otherwise. */
const FEATURE_FLAGS: Readonly<Record<string, string>> = {
  SSE3: 'pni', CX16: 'cx16', CLFSH: 'clflush', 'SSE4.1': 'sse4_1', 'SSE4.2': 'sse4_2', SSE41: 'sse4_1', SSE42: 'sse4_2',
  LAHF64: 'lahf_lm', CMPXCHG16B: 'cx16', PCLMULQDQ: 'pclmulqdq', LZCNT: 'abm', SHA: 'sha_ni',
};

export class NativeRunner {
  readonly #features: ReadonlySet<string>;

  constructor() {
    const line = /^flags\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
    this.#features = new Set(line.split(' '));
  }

  /** Why nothing can run natively here, or undefined when it can. */
  static unavailable(): string | undefined {
    if (process.platform !== 'linux' || process.arch !== 'x64') return 'the host is not x86-64 Linux';
    try {
      accessSync(RUNNER, constants.X_OK);
    } catch {
      return `${RUNNER} is not executable`;
    }
    const probe = new SampleRecord();
    probe.view.setUint32(RIP, CODE, true);
    probe.setSelector('cs', USER_CODE_64);
    probe.setSelector('ss', USER_DATA);
    probe.setGpr(4, BigInt(DATA + 0x1000));
    probe.bytes[0xb0] = 0xcc;
    const { status, stdout } = spawnSync(RUNNER, { input: probe.bytes });
    if (status !== 0 || stdout.length !== RECORD_SIZE) return `the native runner ended with status ${status}`;
    return new SampleRecord(stdout).vector === 3 ? undefined : 'the native runner does not see its breakpoint';
  }

  /** Whether the host has a feature by the name that instruction rows give it. */
  has(feature: string): boolean {
    return this.#features.has(FEATURE_FLAGS[feature] ?? feature.toLowerCase());
  }

  /** The records after their instructions, in the order and layout of `records`. */
  run(records: Uint8Array): Uint8Array {
    const { status, signal, stdout } = spawnSync(RUNNER, {
      input: records, maxBuffer: records.length + RECORD_SIZE, timeout: DEADLINE_MS,
    });
    if (status !== 0) throw new Error(`the native runner ended with status ${status}, signal ${signal}`);
    if (stdout.length !== records.length) throw new Error(`the native runner gave ${stdout.length} bytes`);
    return new Uint8Array(stdout.buffer, stdout.byteOffset, stdout.length);
  }
}
