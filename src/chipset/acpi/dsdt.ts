/**
 * The DSDT: what a guest cannot find by asking the hardware. Its heart is the VMBus node, under a module device whose
 * resources are the address space that VMBus devices may use; Linux looks for exactly that shape. There is no \_S4:
 * with it Linux's balloon and shutdown services prepare for hibernation.
 */
import {
  GENERATION_ID_GPA, Gsi, HIGH_MMIO_BYTES, LOW_MMIO, RTC_PORT, SERIAL_1_PORT, SLEEP_TYPE_S5,
} from '../platform.ts';
import * as aml from './aml.ts';

const GENERATION_CHANGED = 0x80;

/**
 * The definition block's terms; `highMmioGpa` is the first address above all RAM for VMBus devices, if there is such a
 * bus. `generation`: a guest can know that it was restored.
 */
export function dsdtTerms(highMmioGpa: number, options: { vmbus: boolean; generation: boolean }): Uint8Array {
  const { vmbus, generation } = options;
  const devices = [serialPort(), realTimeClock(), ...generation ? [generationCounter(), eventDevice()] : []];
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

/**
 * Which generation of the machine this is: another number after each restore, so that two guests from one state do not
 * have the same secrets [Microsoft, Virtual Machine Generation ID].
 */
function generationCounter(): aml.Aml {
  return aml.device('VGEN', [
    aml.name('_HID', aml.string('Hyper_V_Gen_Counter_V1')),
    aml.name('_CID', aml.string('VM_Gen_Counter')),
    aml.name('_DDN', aml.string('VM_Gen_Counter')),
    aml.name('ADDR', aml.packageOf([aml.integer(GENERATION_ID_GPA), aml.integer(0)])),
  ]);
}

/** A generic event device: its interrupt says that the generation has changed [ACPI 6.4, 5.6.9]. */
function eventDevice(): aml.Aml {
  return aml.device('GED', [
    aml.name('_HID', aml.string('ACPI0013')),
    aml.name('_UID', aml.integer(0)),
    aml.name('_CRS', aml.resources([aml.interrupt(Gsi.GenerationChange)])),
    aml.method('_EVT', [aml.notify('VGEN', GENERATION_CHANGED)], 1),
  ]);
}
