/** The user's switches, for the commands that are about them. What they need is loaded for them alone. */

import type { Switches } from '../host/switches.ts';

export async function openSwitches(): Promise<Switches> {
  const { Switches: Class } = await import('../host/switches.ts');
  return new Class();
}
