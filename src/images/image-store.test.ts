/** Images appear whole or not at all, are found by name and by recipe, and are removed. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { OperatingError } from '../kit/errors.ts';
import { ImageStore } from './image-store.ts';

const folder = mkdtempSync(join(tmpdir(), 'partout-images-'));
after(() => rmSync(folder, { recursive: true }));

const DESCRIPTION = {
  recipe: 'tiny', suite: 'bookworm', kernelVersion: '6.1', commandLine: 'console=ttyS0', minimumMemoryMiB: 100,
  packages: ['a=1'],
};

let stores = 0;

function emptyStore(): { store: ImageStore; images: string } {
  const directory = join(folder, String(stores++));
  return { store: new ImageStore(directory), images: join(directory, 'images') };
}

async function fill(place: string): Promise<void> {
  await writeFile(join(place, 'vmlinuz'), 'kernel');
  await writeFile(join(place, 'initrd'), 'initrd!');
}

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof OperatingError && message.test(error.message);
}

test('an image that was added is listed, found and removed', async () => {
  const { store, images } = emptyStore();
  const added = await store.add('tiny-1', DESCRIPTION, fill);
  assert.deepEqual([added.sizeBytes, added.kernelVersion, added.directory], [13, '6.1', join(images, 'tiny-1')]);
  assert.deepEqual(await store.list(), [added]);
  assert.deepEqual(await store.find('tiny-1'), added);
  assert.deepEqual(await store.get('tiny', 'bookworm'), added);
  assert.equal(await store.find('tiny', 'trixie'), undefined);
  await store.remove('tiny-1');
  assert.deepEqual(await store.list(), []);
});

test('of a recipe, the newest image is found', async () => {
  const { store, images } = emptyStore();
  for (const name of ['tiny-new', 'tiny-old']) await store.add(name, DESCRIPTION, fill);
  utimesSync(join(images, 'tiny-old/initrd'), 1000, 1000);
  assert.equal((await store.get('tiny')).name, 'tiny-new');
});

test('a build that fails leaves nothing', async () => {
  const { store, images } = emptyStore();
  await assert.rejects(store.add('tiny-1', DESCRIPTION, async (place) => {
    await writeFile(join(place, 'vmlinuz'), 'half');
    throw new Error('interrupted');
  }), /interrupted/);
  assert.deepEqual(readdirSync(images), []);
});

test('of two builds of one image at once, both get the same and nothing is left over', async () => {
  const { store, images } = emptyStore();
  const [first, second] = await Promise.all([1, 2].map(() => store.add('tiny-1', DESCRIPTION, fill)));
  assert.deepEqual(first, second);
  assert.deepEqual(readdirSync(images), ['tiny-1']);
});

test('a broken image is not listed, and building it again mends it', async () => {
  const { store, images } = emptyStore();
  await store.add('tiny-1', DESCRIPTION, fill);
  rmSync(join(images, 'tiny-1/initrd'));
  mkdirSync(join(images, 'junk'));
  writeFileSync(join(images, 'junk/image.json'), '{');
  assert.deepEqual(await store.list(), []);
  assert.equal((await store.add('tiny-1', DESCRIPTION, fill)).sizeBytes, 13);
});

test('what a killed build left is removed by a later one, once it is old', async () => {
  const { store, images } = emptyStore();
  for (const [name, seconds] of [['.building-old', 1000], ['.building-new', Date.now() / 1000]] as const) {
    mkdirSync(join(images, name), { recursive: true });
    utimesSync(join(images, name), seconds, seconds);
  }
  await store.add('tiny-1', DESCRIPTION, fill);
  assert.deepEqual(readdirSync(images).sort(), ['.building-new', 'tiny-1']);
});

test('what is not there is named in a sentence, and nothing outside the store is removed', async () => {
  const { store } = emptyStore();
  mkdirSync(join(folder, 'precious'));
  await assert.rejects(store.get('tiny'), refusal(/^there is no image "tiny": build one/));
  await assert.rejects(store.remove('../../precious'), refusal(/^there is no image "\.\.\/\.\.\/precious"/));
  assert.ok(existsSync(join(folder, 'precious')));
});
