/**
 * The process of one virtual machine: serves its owner over the channel to its parent, until that is closed or the
 * parent is gone.
 */
import { startProcessorThread } from '../processor-threads.ts';
import { processPort } from './link-ports.ts';

// Ctrl-C at a terminal reaches every process of its group: what becomes of the machine is for its owner to say.
process.on('SIGINT', () => {});
// Every machine has a processor, whose thread takes as long to start as everything else.
const processorThread = startProcessorThread();
const { MachineServer } = await import('./machine-server.ts');
await new MachineServer({ port: processPort(process), processorThread }).done();
process.exit(0);
