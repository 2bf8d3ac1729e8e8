// Regions: translated code of hot blocks (../translator). A block opens with a record that counts how often it is
// entered; when that is often the translator is asked for a region, a function in the core's table, which from then on
// runs instead of the block. Whatever makes the block's records stale makes this one stale too, so that nothing else
// has to know of regions.

import {
  BUDGET, ENTER_COUNT, ENTER_REGION, EXIT_REQUEST, LAZY_KIND, OP, OP_ENTER, RECORD_SIZE, STOP,
} from "./layout";
import { lookup } from "./blocks";
import { cpu } from "./cpu";
import { dispatch } from "./dispatch";
import { lendFlags, settleFlags } from "./lazy-flags";

/** Asks for a region that begins at the record; may set its ENTER_REGION. */
// @ts-ignore: decorator
@external("env", "translate")
declare function translate(u: usize): void;

/**
 * The block at RIP, behind a region, or 0 to stop. A region changes nothing of what else `dispatch` looks at: what does
 * ends a block.
 */
function onward(): usize {
  const goesOn = load<i32>(cpu + BUDGET) > 0 && load<i32>(cpu + EXIT_REQUEST) == 0 && load<u32>(cpu + STOP) == 0;
  return goesOn ? lookup() : dispatch();
}

/** Runs the region at that place of the table, and those behind it that need nothing of the core. */
// @ts-ignore: decorator
@external("env", "chain")
declare function chain(region: u32): u32;

/** The block whose opening record is `first` has been entered. Returns the record to go on at, or 0 to stop. */
export function enterBlock(first: usize): usize {
  let u = first;
  while (true) {
    const left = load<i32>(u, ENTER_COUNT) - 1;
    store<i32>(u, left, ENTER_COUNT);
    if (left == 0) {
      translate(u);
      // It may have made room, and all records with it stale.
      if (load<u16>(u, OP) != OP_ENTER) break;
    }
    const region = load<u32>(u, ENTER_REGION);
    if (region == 0) {
      u += RECORD_SIZE;
      break;
    }
    // From region to region the flags go as they are.
    if (load<u32>(cpu + LAZY_KIND) == 0) lendFlags();
    u = chain(region);
    if (u != 0) break;
    u = onward();
    if (u == 0 || load<u16>(u, OP) != OP_ENTER) break;
  }
  settleFlags();
  return u;
}
