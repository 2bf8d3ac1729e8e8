/**
 * The virtual PC's chipset: the devices that are not on VMBus, at their fixed addresses. Their state is one shared
 * buffer, and a `Chipset` is a view of it: every thread that may meet a device makes one of its own over the same
 * buffer. The thread that makes the machine calls `reset` before the first processor runs.
 */
import type { InterruptSink, IoIntercepts } from '../hypervisor/device-port.ts';
import type { Clock } from '../kit/clock.ts';
import { DebugExit } from './debug-exit.ts';
import type { TimedDevice } from './device-timers.ts';
import { IO_APIC_MMIO_BYTES, IoApic, type IoApicState } from './io-apic/device.ts';
import { IoBus, type PortRange } from './io-bus.ts';
import { IntervalTimer, type PitState } from './pit/device.ts';
import * as platform from './platform.ts';
import { PM_PORTS, PowerManagement, type PowerState } from './power/device.ts';
import { PowerEvents } from './power/events.ts';
import { RealTimeClock, type RtcState } from './rtc/device.ts';
import { SerialPort } from './serial/device.ts';
import type { SerialState } from './serial/state.ts';

export interface ChipsetOptions {
  /** At least `Chipset.sharedBytes`, all zero when the machine is new. */
  readonly shared: SharedArrayBuffer;
  readonly sink: InterruptSink;
  readonly clock: Clock;
  /** Offer the debug exit port. */
  readonly debugExit?: boolean;
  /** See `SerialOptions`. */
  readonly consoleWaitsForHost?: boolean;
  /** Called on the thread where a guest's access raises a power event, to stop its processor. */
  readonly onPowerEvent?: () => void;
}

export interface ChipsetState {
  readonly version: 1;
  readonly serial: SerialState;
  readonly ioApic: IoApicState;
  readonly rtc: RtcState;
  readonly pit: PitState;
  readonly power: PowerState;
}

/** Where each device's state begins in the shared buffer. */
const SERIAL_OFFSET = 0;
const IO_APIC_OFFSET = after(SERIAL_OFFSET, SerialPort.sharedBytes);
const RTC_OFFSET = after(IO_APIC_OFFSET, IoApic.sharedBytes);
const POWER_OFFSET = after(RTC_OFFSET, RealTimeClock.sharedBytes);
const PIT_OFFSET = after(POWER_OFFSET, PowerManagement.sharedBytes);
const EVENTS_OFFSET = after(PIT_OFFSET, IntervalTimer.sharedBytes);
const END = after(EVENTS_OFFSET, PowerEvents.sharedBytes);

/** Devices lie in cache lines of their own. */
function after(offset: number, sizeBytes: number): number {
  return Math.ceil((offset + sizeBytes) / 64) * 64;
}

export class Chipset {
  static readonly sharedBytes: number = END;
  readonly io: IoIntercepts;
  readonly serial: SerialPort;
  readonly ioApic: IoApic;
  readonly rtc: RealTimeClock;
  readonly pit: IntervalTimer;
  readonly power: PowerManagement;
  readonly powerEvents: PowerEvents;
  /** What `DeviceTimers` should drive on the main thread. */
  readonly timedDevices: readonly TimedDevice[];

  constructor(options: ChipsetOptions) {
    const { shared, sink, clock } = options;
    const ioApic = new IoApic({ shared, byteOffset: IO_APIC_OFFSET, sink });
    const line = (pin: number) => (level: boolean): void => ioApic.setLine(pin, level);
    this.ioApic = ioApic;
    this.serial = new SerialPort({
      shared, byteOffset: SERIAL_OFFSET, setLine: line(platform.Gsi.Serial1),
      waitsForHost: options.consoleWaitsForHost ?? false,
    });
    this.rtc = new RealTimeClock({ shared, byteOffset: RTC_OFFSET, clock, setLine: line(platform.Gsi.Rtc) });
    this.pit = new IntervalTimer({ shared, byteOffset: PIT_OFFSET, clock, setLine: line(platform.Gsi.Timer) });
    this.timedDevices = [this.rtc, this.pit];
    const onRaise = options.onPowerEvent ?? ((): void => {});
    this.powerEvents = new PowerEvents({ shared, byteOffset: EVENTS_OFFSET, onRaise });
    this.power = new PowerManagement({
      shared, byteOffset: POWER_OFFSET, clock, events: this.powerEvents, setLine: line(platform.Gsi.Sci),
    });
    const ports: PortRange[] = [
      { port: platform.SERIAL_1_PORT, count: 8, device: this.serial },
      { port: platform.RTC_PORT, count: 2, device: this.rtc },
      { port: platform.PM1A_EVENT_PORT, count: PM_PORTS, device: this.power },
      { port: platform.PIT_PORT, count: 4, device: this.pit },
      { port: platform.SYSTEM_CONTROL_PORT, count: 1, device: this.pit.systemControl },
      { port: platform.RESET_CONTROL_PORT, count: 1, device: this.power.resetControl },
      { port: platform.KEYBOARD_COMMAND_PORT, count: 1, device: this.power.keyboardCommand },
    ];
    if (options.debugExit === true) {
      const device = new DebugExit({ events: this.powerEvents });
      ports.push({ port: platform.DEBUG_EXIT_PORT, count: 4, device });
    }
    this.io = new IoBus({
      ports,
      mmio: [{ gpa: platform.IO_APIC_GPA, sizeBytes: IO_APIC_MMIO_BYTES, device: ioApic }],
      endOfInterrupt: (vector) => ioApic.endOfInterrupt(vector),
    });
  }

  /** The state after power-on, and before a guest is started again. */
  reset(): void {
    this.ioApic.reset();
    this.serial.reset();
    this.rtc.reset();
    this.pit.reset();
    this.power.reset();
    this.powerEvents.clear();
  }

  /** Tells the guest that the number at GENERATION_ID_GPA is another one. */
  generationChanged(): void {
    this.ioApic.setLine(platform.Gsi.GenerationChange, true);
    this.ioApic.setLine(platform.Gsi.GenerationChange, false);
  }

  /** Only while no processor runs. */
  saveState(): ChipsetState {
    return {
      version: 1, serial: this.serial.saveState(), ioApic: this.ioApic.saveState(), rtc: this.rtc.saveState(),
      pit: this.pit.saveState(), power: this.power.saveState(),
    };
  }

  restoreState(state: ChipsetState): void {
    this.serial.restoreState(state.serial);
    this.ioApic.restoreState(state.ioApic);
    this.rtc.restoreState(state.rtc);
    this.pit.restoreState(state.pit);
    this.power.restoreState(state.power);
  }
}
