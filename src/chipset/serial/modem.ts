/** The modem's side of a serial port: the four input lines in MSR 7:4, and what MSR 3:0 says of their changes. */
import { ModemControl, ModemStatus } from './registers.ts';

/** CTS, DSR, RI and DCD: a modem that is there, or in loopback the port's own outputs. */
export function modemLines(control: number): number {
  if ((control & ModemControl.Loop) === 0) return ModemStatus.Cts | ModemStatus.Dsr | ModemStatus.Dcd;
  return ((control & ModemControl.Rts) !== 0 ? ModemStatus.Cts : 0) |
    ((control & ModemControl.Dtr) !== 0 ? ModemStatus.Dsr : 0) |
    ((control & ModemControl.Out1) !== 0 ? ModemStatus.Ri : 0) |
    ((control & ModemControl.Out2) !== 0 ? ModemStatus.Dcd : 0);
}

/** Lines that changed; of RI only that it fell. */
export function modemDeltas(before: number, after: number): number {
  const changed = ((before ^ after) >> 4) & (ModemStatus.DeltaCts | ModemStatus.DeltaDsr | ModemStatus.DeltaDcd);
  return changed | ((before & ~after & ModemStatus.Ri) !== 0 ? ModemStatus.RingEnded : 0);
}
