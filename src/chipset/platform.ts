/**
 * The fixed addresses of the virtual PC. The devices answer at them and the ACPI tables name them, so both take them
 * from here. Freely chosen ones lie where no PC of Hyper-V's first generation has anything.
 */

export const SERIAL_1_PORT = 0x3f8;
export const SERIAL_2_PORT = 0x2f8;
export const RTC_PORT = 0x70;
export const PIT_PORT = 0x40;
export const SYSTEM_CONTROL_PORT = 0x61;
export const KEYBOARD_COMMAND_PORT = 0x64;
export const RESET_CONTROL_PORT = 0xcf9;
export const DEBUG_EXIT_PORT = 0xf4;

/** The ACPI power management block: PM1a events (4 bytes), PM1a control (2), the timer (4). */
export const PM1A_EVENT_PORT = 0x600;
export const PM1A_CONTROL_PORT = 0x604;
export const PM_TIMER_PORT = 0x608;
/** SLP_TYP for S5 in PM1a control, as the DSDT's \_S5 says. */
export const SLEEP_TYPE_S5 = 5;
/** What the FADT has a guest write to the reset register: a hard reset. */
export const RESET_VALUE = 0x06;

export const IO_APIC_GPA = 0xfec0_0000;
export const LOCAL_APIC_GPA = 0xfee0_0000;

/** Inputs of the IO-APIC, which are the global system interrupts. */
export const Gsi = { Timer: 2, Serial2: 3, Serial1: 4, Rtc: 8, Sci: 9, GenerationChange: 10 } as const;

/** Where a guest reads which generation of its machine this is: 16 bytes of the firmware's part of the ISA hole. */
export const GENERATION_ID_GPA = 0xf_f000;
export const GENERATION_ID_BYTES = 16;

/** Address space for VMBus devices with memory of their own: below the IO-APIC, and above all RAM. */
export const LOW_MMIO = { gpa: 0xf800_0000, sizeBytes: 0x06c0_0000 } as const;
export const HIGH_MMIO_BYTES = 0x1_0000_0000;
