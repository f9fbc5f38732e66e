/** What the value of an EF_ variable may be. */
export type OptionForm =
  | { kind: "whole"; min: number; max: number }
  | { kind: "hex"; max: number }
  | { kind: "oneOf"; values: readonly string[] }
  | { kind: "numbers"; max: number }
  | { kind: "text"; max: number }
  /** The name is in Onload's list, and nothing reads it. */
  | { kind: "unread" };

/** A decimal number. Onload takes a value beyond its limits for the limit, or drops its upper bits. */
export function whole(min: number, max: number): OptionForm {
  return { kind: "whole", min, max };
}

/** Bits, written in hexadecimal, with or without 0x. */
export function hex(max: number): OptionForm {
  return { kind: "hex", max };
}

/** One of some words, in any case. Onload takes its default for another word. */
export function oneOf(...values: string[]): OptionForm {
  return { kind: "oneOf", values };
}

/** Any text. Onload cuts off what is longer. */
export function text(max: number): OptionForm {
  return { kind: "text", max };
}

export const UINT16 = 2 ** 16 - 1;
export const INT16 = 2 ** 15 - 1;
export const UINT32 = 2 ** 32 - 1;
export const INT32 = 2 ** 31 - 1;

export const yesNo = whole(0, 1);
export const count = whole(0, UINT32);
/** Port numbers with commas between them. */
export const ports: OptionForm = { kind: "numbers", max: UINT16 };
/** Numbers of signals with commas between them. */
export const signals: OptionForm = { kind: "numbers", max: 64 };
export const unread: OptionForm = { kind: "unread" };

/** What is wrong with a value, in words that follow "cannot be"; undefined if nothing is. */
export function formProblem(form: OptionForm, value: string): string | undefined {
  switch (form.kind) {
    case "whole":
      return wholeProblem(value, form.min, form.max);
    case "hex":
      if (/^(0x)?[0-9a-f]{1,16}$/i.test(value) && Number(`0x${value.replace(/^0x/i, "")}`) <= form.max)
        return undefined;
      return `give a hexadecimal number from 0 to ${form.max.toString(16)}`;
    case "oneOf":
      return form.values.includes(value.toLowerCase()) ? undefined : `use one of ${form.values.join(", ")}`;
    case "numbers":
      if (value === "") return undefined;
      return value.split(",").some((each) => wholeProblem(each, 1, form.max) !== undefined)
        ? `give whole numbers from 1 to ${form.max} with commas between them`
        : undefined;
    case "text":
      return value.length > form.max ? `give at most ${form.max} characters` : undefined;
    case "unread":
      return undefined;
  }
}

function wholeProblem(value: string, min: number, max: number): string | undefined {
  // Onload reads the digits at the start and takes the rest for nothing: 100ms is 100, and yes is 0.
  if (/^[+-]?\d{1,16}$/.test(value) && Number(value) >= min && Number(value) <= max) return undefined;
  return `give a whole number from ${min} to ${max}`;
}
