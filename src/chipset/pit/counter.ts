/**
 * What a counter of an 8254 shows and puts out, so many ticks of its clock after it was loaded [Intel 8254 data sheet,
 * "Mode definitions"]. Modes 1 and 5 wait for an edge of the gate; only channel 2 has one, and it is taken as a
 * restart.
 */

/** Counts per second: a third of the colour burst of NTSC. */
export const PIT_HZ = 1_193_182;

export const Mode = {
  TerminalCount: 0, OneShot: 1, RateGenerator: 2, SquareWave: 3, Strobe: 4, HardwareStrobe: 5,
} as const;

/** Modes 6 and 7 are 2 and 3 again. */
export function modeOf(control: number): number {
  const mode = (control >> 1) & 7;
  return mode > Mode.HardwareStrobe ? mode - 4 : mode;
}

/** The counter's value, 16 bits. `period` is the count that was loaded, 1 … 65536. */
export function countAfter(mode: number, period: number, ticks: number): number {
  if (mode === Mode.RateGenerator) return (period - (ticks % period)) & 0xffff;
  // A square wave counts by two, twice a period.
  if (mode === Mode.SquareWave) return (period - ((2 * ticks) % period)) & 0xfffe;
  return (period - (ticks % 0x1_0000) + 0x1_0000) & 0xffff;
}

/** The level of the counter's output. */
export function outputAfter(mode: number, period: number, ticks: number): boolean {
  switch (mode) {
    case Mode.RateGenerator: return ticks % period !== period - 1;
    case Mode.SquareWave: return ticks % period < Math.ceil(period / 2);
    case Mode.TerminalCount: case Mode.OneShot: return ticks >= period;
    default: return ticks !== period;
  }
}

/** How often the output has risen since the counter was loaded; these are its interrupts. */
export function risesAfter(mode: number, period: number, ticks: number): number {
  const isPeriodic = mode === Mode.RateGenerator || mode === Mode.SquareWave;
  return isPeriodic ? Math.floor(ticks / period) : ticks >= period ? 1 : 0;
}

/** After how many ticks from the load the output rises next, or Infinity. */
export function nextRise(mode: number, period: number, ticks: number): number {
  const isPeriodic = mode === Mode.RateGenerator || mode === Mode.SquareWave;
  if (isPeriodic) return (Math.floor(ticks / period) + 1) * period;
  return ticks < period ? period : Infinity;
}
