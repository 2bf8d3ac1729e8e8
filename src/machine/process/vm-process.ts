/**
 * The process of one virtual machine: serves its owner over the channel to its parent, until that is closed or the
 * parent is gone.
 */
import { processPort } from './link-ports.ts';
import { MachineServer } from './machine-server.ts';

// Ctrl-C at a terminal reaches every process of its group: what becomes of the machine is for its owner to say.
process.on('SIGINT', () => {});
await new MachineServer({ port: processPort(process) }).done();
process.exit(0);
