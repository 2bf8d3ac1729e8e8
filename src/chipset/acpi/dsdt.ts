/**
 * The DSDT: what a guest cannot find by asking the hardware. Its heart is the VMBus node, under a module device whose
 * resources are the address space that VMBus devices may use; Linux looks for exactly that shape. There is no \_S4:
 * with it Linux's balloon and shutdown services prepare for hibernation.
 */
import { Gsi, HIGH_MMIO_BYTES, LOW_MMIO, RTC_PORT, SERIAL_1_PORT, SLEEP_TYPE_S5 } from '../platform.ts';
import * as aml from './aml.ts';

/**
 * The definition block's terms; `highMmioGpa` is the first address above all RAM for VMBus devices, if there is such a
 * bus.
 */
export function dsdtTerms(highMmioGpa: number, vmbus: boolean): Uint8Array {
  const devices = [serialPort(), realTimeClock()];
  return Uint8Array.from([
    ...aml.rootScope('_SB', vmbus ? [vmbusModule(highMmioGpa), ...devices] : devices),
    ...aml.name('_S5', aml.packageOf([aml.integer(SLEEP_TYPE_S5), aml.integer(0), aml.integer(0), aml.integer(0)])),
  ]);
}

function vmbusModule(highMmioGpa: number): aml.Aml {
  return aml.device('VMOD', [
    aml.name('_HID', aml.string('ACPI0004')),
    aml.name('_UID', aml.integer(0)),
    aml.name('_CRS', aml.resources([
      aml.memoryWindow(LOW_MMIO.gpa, LOW_MMIO.sizeBytes),
      aml.memoryWindow(highMmioGpa, HIGH_MMIO_BYTES),
    ])),
    aml.device('VMBS', [
      aml.name('STA', aml.integer(0x0f)),
      aml.name('_HID', aml.string('VMBus')),
      aml.name('_DDN', aml.string('VMBUS')),
      aml.name('_UID', aml.integer(0)),
      aml.method('_STA', [aml.returnName('STA')]),
      aml.method('_DIS', [aml.andInto('STA', 0x0d)]),
      aml.method('_PS0', [aml.orInto('STA', 0x0f)]),
      aml.method('_PS3', []),
      aml.name('_CRS', aml.resources([])),
    ]),
  ]);
}

function serialPort(): aml.Aml {
  return aml.device('COM1', [
    aml.name('_HID', aml.eisaId('PNP0501')),
    aml.name('_UID', aml.integer(1)),
    aml.name('_STA', aml.integer(0x0f)),
    aml.name('_CRS', aml.resources([aml.ioPorts(SERIAL_1_PORT, 8), aml.irq(Gsi.Serial1)])),
  ]);
}

function realTimeClock(): aml.Aml {
  return aml.device('RTC', [
    aml.name('_HID', aml.eisaId('PNP0B00')),
    aml.name('_STA', aml.integer(0x0f)),
    aml.name('_CRS', aml.resources([aml.ioPorts(RTC_PORT, 2), aml.irq(Gsi.Rtc)])),
  ]);
}
