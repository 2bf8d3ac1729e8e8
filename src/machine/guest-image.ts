/** What a guest starts from: the memory that its description asks for, and in it the kernel with its boot data. */

import { writeAcpiTables } from '../chipset/acpi/tables.ts';
import { GENERATION_ID_BYTES } from '../chipset/platform.ts';
import { loadKernel } from '../chipset/loaders/kernel.ts';
import { createEngineMemory, maximumRamBytes } from '../engine/engine-memory.ts';
import type { EngineMemoryHandle } from '../engine/memory-handle.ts';
import type { ProcessorState } from '../hypervisor/engine-port.ts';
import { DEFAULT_MODEL } from '../hypervisor/processor-model.ts';
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import { OperatingError } from '../kit/errors.ts';
import type { RandomSource } from '../kit/random.ts';
import { readBootSource } from './boot-source.ts';
import type { MachineDescription } from './description.ts';

/** Bytes of random seed that the guest gets with its boot data. */
const ENTROPY_BYTES = 64;
const MIB = 2 ** 20;

/** @throws OperatingError when there cannot be so much. */
export function engineMemoryFor({ memoryBytes, processors, model }: MachineDescription): EngineMemoryHandle {
  const mostBytes = maximumRamBytes(processors);
  if (memoryBytes > mostBytes) {
    throw new OperatingError('host', `with ${processors} processors a guest can have at most ${mostBytes / MIB} MiB ` +
      'of memory: choose less of one of them');
  }
  try {
    return createEngineMemory(memoryBytes, processors, (model ?? DEFAULT_MODEL).level);
  } catch (error) {
    throw new OperatingError(
      'host', `the host cannot give ${memoryBytes / MIB} MiB of memory to a guest: choose less`, { cause: error });
  }
}

/**
 * Reads the files afresh and puts the kernel into guest memory, which is all zeros; how the boot processor begins.
 * @throws OperatingError for a file that cannot be read, is no kernel, or does not fit.
 */
export async function loadGuest(
  description: MachineDescription, memory: GuestMemory, random: RandomSource,
): Promise<ProcessorState> {
  const { name, kernel, initrd, commandLine } = await readBootSource(description);
  const entropySeed = random.bytes(ENTROPY_BYTES);
  const vmbus = description.deterministic === undefined;
  const rsdp = writeAcpiTables(memory, {
    processorCount: description.processors, entropySeed, vmbus,
    // A guest whose runs are alike is never restored.
    ...(vmbus ? { generationId: random.bytes(GENERATION_ID_BYTES) } : {}),
  });
  const result = loadKernel(kernel, memory, { commandLine, rsdp, entropySeed, ...(initrd && { initrd }) });
  if (result.kind === 'refused') throw new OperatingError('bad-input', `cannot start ${name}: ${result.reason}`);
  return result.state;
}
