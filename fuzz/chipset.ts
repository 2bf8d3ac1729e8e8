/**
 * Accesses to every port and to the IO-APIC, at random: no device throws, answers with more bits than were asked for,
 * or comes to a state that cannot be saved and restored.
 */
import { isDeepStrictEqual } from 'node:util';
import { Chipset } from '../src/chipset/chipset.ts';
import { seededNumbers } from '../src/chipset/testing/seeded-numbers.ts';
import { ManualClock } from '../src/hypervisor/testing/manual-clock.ts';
import type { Tally } from '../tools/fuzz-target.ts';

/** Where devices are, so that half of the accesses meet one. */
const PORTS = [0x40, 0x60, 0x70, 0xf4, 0x3f8, 0x600, 0xcf8];
const SIZES = [1, 2, 4];
const ACCESSES_PER_ITERATION = 200;

export const target = {
  name: 'chipset',
  covers: [
    'src/chipset/chipset', 'src/chipset/io-bus', 'src/chipset/serial/', 'src/chipset/rtc/', 'src/chipset/pit/',
    'src/chipset/io-apic/', 'src/chipset/power/',
  ],
  run(seed: number, iterations: number, tally: Tally): void {
    const next = seededNumbers(seed);
    const clock = new ManualClock();
    const options = { sink: { sendInterrupt(): void {} }, clock, debugExit: true };
    const chipset = new Chipset({ ...options, shared: new SharedArrayBuffer(Chipset.sharedBytes) });
    const copy = new Chipset({ ...options, shared: new SharedArrayBuffer(Chipset.sharedBytes) });
    chipset.reset();
    for (let iteration = 0; iteration < iterations; iteration++) {
      for (let access = 0; access < ACCESSES_PER_ITERATION; access++) step(chipset, next, tally);
      clock.advance(next(2) === 0 ? next(1e6) : next(2 ** 31) * 1000);
      for (const device of chipset.timedDevices) {
        const delayMs = device.tick();
        if (!Number.isInteger(delayMs)) throw new Error(`a device wants to be called in ${delayMs} ms`);
      }
      if (next(16) === 0) checkState(chipset, copy);
      if (next(64) === 0) chipset.reset();
    }
  },
};

function step(chipset: Chipset, next: (limit: number) => number, tally: Tally): void {
  const size = SIZES[next(SIZES.length)] as number;
  const isAnywhere = next(2) === 0;
  const port = isAnywhere ? next(0x1_0000) : (PORTS[next(PORTS.length)] as number) + next(16);
  const kind = next(8);
  tally.input(!isAnywhere || kind < 3);
  if (kind === 0) {
    chipset.io.mmioWrite(0xfec0_0000 + 16 * next(8), 4, Int32Array.of(next(3) === 0 ? next(2 ** 32) : next(0x50), 0));
  } else if (kind === 1) {
    chipset.serial.receive(new Uint8Array(next(100)));
    chipset.serial.takeTransmitted();
  } else if (kind === 2) {
    chipset.io.endOfInterrupt(next(256));
    chipset.power.pressPowerButton();
  } else if (kind < 6) {
    chipset.io.portWrite(port, size, next(2 ** 32));
  } else {
    const value = chipset.io.portRead(port, size);
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * size)) {
      throw new Error(`port 0x${port.toString(16)} answered ${value} to a read of ${size} bytes`);
    }
  }
}

function checkState(chipset: Chipset, copy: Chipset): void {
  const state = chipset.saveState();
  copy.restoreState(structuredClone(state));
  if (!isDeepStrictEqual(copy.saveState(), state)) throw new Error('restored state differs from what was saved');
}
