/** What a device under test does with its interrupt line, and what an IO-APIC sends. */
import type { InterruptSink } from '../../hypervisor/device-port.ts';

/** Remembers the level of a line and how often it rose. */
export class RecordedLine {
  level = false;
  rises = 0;
  readonly set = (level: boolean): void => {
    if (level && !this.level) this.rises++;
    this.level = level;
  };
}

/** Remembers the messages as tuples of `sendInterrupt`'s arguments. */
export class RecordingSink implements InterruptSink {
  readonly sent: Parameters<InterruptSink['sendInterrupt']>[] = [];

  sendInterrupt(...message: Parameters<InterruptSink['sendInterrupt']>): void {
    this.sent.push(message);
  }

  /** The vectors sent since the last call. */
  takeVectors(): number[] {
    return this.sent.splice(0).map(([, , , vector]) => vector);
  }
}
