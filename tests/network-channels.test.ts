/** What stock ethtool switches on the adapter of a stock guest. Needs apt, to fetch the kernel and the programs. */

import { test } from 'node:test';
import { switchEverything } from './adapter-switching.ts';
import { tinyImageOrReason } from './guest.ts';
import { folderFor } from './host.ts';

const { image, skip } = tinyImageOrReason();

test('every channel and every offload can be switched under traffic', { skip }, async (context) => {
  await switchEverything(image, folderFor(context));
});
