/** A guest on a switch of its own runs a command, and says how that ended. */

import { Host } from 'partout';

await using host = await Host.open();
const lab = await host.createSwitch({ name: 'lab', type: 'private' });
await using vm = await host.createVM({ name: 'a', image: 'tiny', memory: '256M', nics: [{ switch: lab }] });
await vm.start();
const { stdout, exitCode } = await vm.exec(['uname', '-a']);
process.stdout.write(`${stdout}it ended with ${exitCode}\n`);
