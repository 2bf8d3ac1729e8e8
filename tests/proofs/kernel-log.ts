/**
 * What a kernel complains of in its log (`dmesg -r`, so that levels are to be seen): every message of level warning or
 * worse but those that the same kernel prints under Microsoft's Hyper-V too, and whatever tells of a fault by itself.
 */

/** Faults that the kernel tells of at any level. */
const FAULTS = /WARNING|unchecked MSR|lockup|rcu.*stall|blocked for more than|BUG|Oops|Call Trace|clock.*unstable/;

/**
 * Second-generation machines have no PCI bus, no AMD processor in a machine describes its performance control, and
 * Linux notes the first time that a processor was late because it had to wait for a core of the host.
 */
const USUAL = [
  /PCI: Fatal: No config space access function found$/,
  /PCI: System does not support PCI$/,
  /amd_pstate: the _CPC object is not present in SBIOS or ACPI disabled$/,
  /hrtimer: interrupt took \d+ ns$/,
];

/** Lines of the kernel's own, with their level: 0 to 4 are emergencies to warnings. */
const RAW_LINE = /^<(\d+)>\[ *\d+\.\d+\] ?(.*)$/;
const WARNING = 4;

/** The lines of a raw log that should not be there. */
export function complaintsOf(log: string): string[] {
  return log.split('\n').map((line) => line.replaceAll('\r', '')).filter((line) => {
    if (FAULTS.test(line)) return true;
    const [, level, text] = RAW_LINE.exec(line) ?? [];
    return level !== undefined && Number(level) <= WARNING && !USUAL.some((usual) => usual.test(text ?? ''));
  });
}
