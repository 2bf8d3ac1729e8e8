/** Translated code against the interpreter: random programs, whose registers, flags, memory and length must agree. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEngineMemory, guestMemoryOf } from '../../src/engine/engine-memory.ts';
import type { GuestMemory } from '../../src/hypervisor/guest-memory.ts';
import { StopReason } from '../../src/hypervisor/engine-port.ts';
import { WasmEngine, type WasmEngineOptions } from '../../src/engine/wasm-engine.ts';
import { NO_INTERCEPTS } from '../no-intercepts.ts';
import { longModeState } from '../litmus/processor.ts';
import { Random } from '../oracle/random.ts';
import { CODE, DATA, DATA_BYTES, RandomProgram, STACK } from './random-program.ts';

const RAM_BYTES = 8 << 20;
const PML4 = 0x1000;
const PDPT = 0x2000;
const PROGRAMS = Number(process.env['PROGRAMS'] ?? 150);
const SLICES = 2000;
const CR4 = 0x620n; // OSXMMEXCPT OSFXSR PAE

class Machine {
  readonly #engine: WasmEngine;
  readonly #memory: GuestMemory;

  constructor(translate: NonNullable<WasmEngineOptions['translate']>, lockstep = false) {
    const handle = createEngineMemory(RAM_BYTES, 1);
    this.#memory = guestMemoryOf(handle);
    this.#memory.write(PML4, Uint8Array.of(3, 0x20));
    this.#memory.write(PDPT, Uint8Array.of(0x83));
    this.#engine = new WasmEngine({ handle, index: 0, intercepts: NO_INTERCEPTS, translate, lockstep });
  }

  get translated(): number { return this.#engine.translated().regions; }
  get compared(): number { return this.#engine.compared()?.compared ?? 0; }

  /** Changes memory without telling the processor. */
  poke(address: number, byte: number): void {
    this.#memory.view.setUint8(this.#memory.offsetOf(address, 1), byte);
  }

  /** Changes memory as a device does. */
  change(address: number, byte: number): void {
    this.poke(address, byte);
    this.#engine.memoryChanged(address, 1);
  }

  /** Begins at CODE. */
  begin(): WasmEngine {
    this.#engine.reset();
    const start = longModeState(this.#engine.saveState(), { pageTable: PML4, instruction: CODE, stack: STACK });
    this.#engine.restoreState({ ...start, cr4: CR4 });
    return this.#engine;
  }

  /** Runs the program from the same beginning; everything that it leaves behind. */
  run(program: ReturnType<RandomProgram['make']>, data: Uint8Array): Record<string, unknown> {
    const engine = this.#engine;
    const memory = this.#memory;
    for (const { address, bytes } of program) memory.write(address, Uint8Array.from(bytes));
    memory.write(DATA, data);
    memory.write(STACK - 0x200, new Uint8Array(0x200));
    engine.data.fill(0);
    this.begin();
    const before = engine.counters().instructions;
    let reason: StopReason = StopReason.Slice;
    for (let n = 0; n < SLICES && reason === StopReason.Slice; n++) reason = engine.run();
    const state = engine.saveState();
    const copy = (at: number, length: number): Uint8Array => {
      const from = memory.offsetOf(at, length);
      return new Uint8Array(memory.view.buffer, memory.view.byteOffset + from, length).slice();
    };
    return {
      reason, gpr: state.gpr, rip: state.rip, rflags: state.rflags, cr2: state.cr2, xsave: state.xsave,
      instructions: engine.counters().instructions - before,
      data: copy(DATA, DATA_BYTES), stack: copy(STACK - 0x200, 0x200),
    };
  }
}

test('translated programs leave behind what interpreted ones do', () => {
  const interpreted = new Machine('never');
  const machines = {
    soon: new Machine('soon'), 'at once': new Machine('at once'), 'in lockstep': new Machine('soon', true),
  };
  for (let n = 0; n < PROGRAMS; n++) {
    const random = new Random(`program ${n}`);
    const program = new RandomProgram(random).make();
    const data = Uint8Array.from({ length: DATA_BYTES }, () => random.below(256));
    const expected = interpreted.run(program, data);
    assert.equal(expected['reason'], StopReason.Halt, `program ${n}`);
    for (const [policy, machine] of Object.entries(machines))
      assert.deepEqual(machine.run(program, data), expected, `program ${n}, translated ${policy}`);
  }
  assert.equal(interpreted.translated, 0);
  assert.ok(machines.soon.translated > PROGRAMS, `only ${machines.soon.translated} regions`);
  assert.ok(machines['in lockstep'].compared > PROGRAMS, `only ${machines['in lockstep'].compared} compared`);
});

/** Runs what lies at CODE until it halts; the budget of the test's slices is its deadline. */
function untilHalt(machine: Machine): bigint {
  const engine = machine.begin();
  let reason: StopReason = StopReason.Slice;
  for (let n = 0; n < SLICES && reason === StopReason.Slice; n++) reason = engine.run();
  assert.equal(reason, StopReason.Halt);
  return engine.saveState().gpr[0] as bigint;
}

test('an instruction that reaches into the next page is what both pages say', () => {
  // mov ecx, 0x100000; jmp again; again, 3 bytes in front of a page's end: add rax, 0x01010101; dec ecx; jnz again; hlt
  const begin = [0xb9, 0, 0, 0x10, 0, 0xe9, 0xf3, 0x0f, 0, 0];
  const again = [0x48, 0x05, 1, 1, 1, 1, 0xff, 0xc9, 0x75, 0xf6, 0xf4];
  for (const machine of [new Machine('never'), new Machine('soon'), new Machine('soon', true)]) {
    begin.forEach((byte, at) => machine.poke(CODE + at, byte));
    again.forEach((byte, at) => machine.poke(CODE + 0xffd + at, byte));
    const engine = machine.begin();
    let before = 0n;
    // Each slice adds another number, first because of the second page, then of the first.
    for (const [added, at, byte] of [[0x01010101n, 0x1002, 2], [0x02010101n, 0xfff, 3], [0x02010103n, 0, 0]] as const) {
      assert.equal(engine.run(), StopReason.Slice);
      const sum = engine.saveState().gpr[0] as bigint;
      assert.ok(sum > before);
      assert.equal((sum - before) % added, 0n);
      before = sum;
      if (at !== 0) machine.change(CODE + at, byte);
    }
  }
});

test('accesses by one register in two pages are done in both', () => {
  // mov ecx, 0x20000; again: mov edi, 0x100ff0; mov esp, 0x201018; mov [rdi], rcx; mov [rdi+0x10], ecx;
  // add [rdi+0x18], rcx; push rcx × 6; add rax, [rdi+0x14]; xor rax, [rdi+8]; add rax, [rsp]; pop rdx × 6;
  // add rax, rdx; lea rsi, [rdi+0x20]; add rax, [rsi-8]; sub rsi, 0x18; mov [rsi], eax; add rax, [rdi+11]; dec ecx;
  // jnz again; hlt
  const code = [
    0xb9, 0, 0, 2, 0, 0xbf, 0xf0, 0x0f, 0x10, 0, 0xbc, 0x18, 0x10, 0x20, 0, 0x48, 0x89, 0x0f, 0x89, 0x4f, 0x10,
    0x48, 0x01, 0x4f, 0x18, 0x51, 0x51, 0x51, 0x51, 0x51, 0x51, 0x48, 0x03, 0x47, 0x14, 0x48, 0x33, 0x47, 8,
    0x48, 0x03, 0x04, 0x24, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x48, 0x01, 0xd0, 0x48, 0x8d, 0x77, 0x20,
    0x48, 0x03, 0x46, 0xf8, 0x48, 0x83, 0xee, 0x18, 0x89, 0x06, 0x48, 0x03, 0x47, 11, 0xff, 0xc9, 0x75, 0xbb, 0xf4,
  ];
  const results = [new Machine('never'), new Machine('soon'), new Machine('soon', true)].map((machine) => {
    code.forEach((byte, at) => machine.poke(CODE + at, byte));
    return untilHalt(machine);
  });
  assert.notEqual(results[0], 0n);
  assert.deepEqual(results, [results[0], results[0], results[0]]);
});

test('a string instruction of more elements than it does at once is gone on with', () => {
  // mov edx, 50; again: mov edi, 0x100000; mov ecx, 10000; mov al, dl; rep stosb; mov esi, 0x100000; mov edi, 0x200000;
  // mov ecx, 10000; rep movsb; dec edx; jnz again; movzx eax, byte [0x200000 + 9999]; add eax, edi; hlt
  const code = [
    0xba, 50, 0, 0, 0, 0xbf, 0, 0, 0x10, 0, 0xb9, 0x10, 0x27, 0, 0, 0x88, 0xd0, 0xf3, 0xaa, 0xbe, 0, 0, 0x10, 0,
    0xbf, 0, 0, 0x20, 0, 0xb9, 0x10, 0x27, 0, 0, 0xf3, 0xa4, 0xff, 0xca, 0x75, 0xdd,
    0x0f, 0xb6, 0x04, 0x25, 0x0f, 0x27, 0x20, 0, 0x01, 0xf8, 0xf4,
  ];
  for (const machine of [new Machine('never'), new Machine('soon'), new Machine('soon', true)]) {
    code.forEach((byte, at) => machine.poke(CODE + at, byte));
    assert.equal(untilHalt(machine), 0x200000n + 10000n + 1n);
  }
});

test('lockstep finds a region that does something else than the code', () => {
  const machine = new Machine('soon', true);
  // mov ecx, 0x100000; again: add eax, 1; dec ecx; jnz again; hlt
  const code = [0xb9, 0, 0, 0x10, 0, 0x83, 0xc0, 1, 0xff, 0xc9, 0x75, 0xf9, 0xf4];
  code.forEach((byte, at) => machine.poke(CODE + at, byte));
  const engine = machine.begin();
  // The second slice begins in the loop, whose block is decoded then.
  for (let slice = 0; slice < 2; slice++) assert.equal(engine.run(), StopReason.Slice);
  assert.ok(machine.compared > 0);
  machine.poke(CODE + 7, 2);
  assert.throws(() => engine.run(), /0x0: 0x[0-9a-f]+ and 0x[0-9a-f]+/);
});
