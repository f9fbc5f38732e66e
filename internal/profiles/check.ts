import { nearest } from "../cli/nearest.ts";
import { contradictions } from "./contradictions.ts";
import { LIBRARY_OPTIONS } from "./library-options.ts";
import { isOnloadVariable } from "./names.ts";
import { formProblem, type OptionForm } from "./option-forms.ts";
import type { SettingProblem, Settings } from "./settings.ts";
import { STACK_OPTIONS } from "./stack-options.ts";

/** Every EF_ variable that Onload reads, with the form of its value. */
export const OPTIONS: ReadonlyMap<string, OptionForm> = new Map(
  Object.entries({ ...STACK_OPTIONS, ...LIBRARY_OPTIONS }),
);

/** Names that still work or never did, and what to use instead. */
const REPLACED: ReadonlyMap<string, string> = new Map([
  ["EF_CLUSTER_IGNORE", "it is deprecated: use EF_CLUSTER_SIZE, 0 for no clusters"],
  ["EF_MULTICAST_LOOP_OFF", "it is deprecated: use EF_MCAST_SEND"],
  ["EF_POLL_FAST_LOOPS", "Onload only complains about it: use EF_POLL_FAST_USEC"],
  ["EF_POLL_NONBLOCK_FAST_LOOPS", "Onload only complains about it: use EF_POLL_NONBLOCK_FAST_USEC"],
]);

/**
 * What is wrong with the EF_ variables of a process: names that Onload does not know, values that it cannot read, and
 * settings that exclude each other. Onload itself goes on with other values than those that were meant. Variables whose
 * names do not begin with EF_ are left alone. A variable that is empty counts as set, as it does for Onload.
 */
export function checkSettings(settings: Settings): SettingProblem[] {
  const names = Object.keys(settings).filter(isOnloadVariable).sort();
  const alone = names.flatMap((name) => {
    const message = problemAlone(name, settings[name]!);
    return message === undefined ? [] : [{ name, message }];
  });
  return [...alone, ...contradictions(settings)];
}

/** What is wrong with names of which the values are not known. */
export function checkNames(names: readonly string[]): SettingProblem[] {
  return names.flatMap((name) => {
    const message = REPLACED.get(name) ?? (OPTIONS.has(name) ? undefined : unknown(name));
    return message === undefined ? [] : [{ name, message }];
  });
}

function unknown(name: string): string {
  const near = nearest(name, [...OPTIONS.keys()]);
  return `Onload does not know it${near === undefined ? "" : `: did you mean ${near}?`}`;
}

function problemAlone(name: string, value: string): string | undefined {
  const replaced = REPLACED.get(name);
  if (replaced !== undefined) return replaced;
  const form = OPTIONS.get(name);
  if (form === undefined) return unknown(name);
  if (form.kind === "unread") return "Onload lists it, and reads it nowhere: take it out";
  const wrong = formProblem(form, value);
  return wrong === undefined ? undefined : `it cannot be "${value}": ${wrong}`;
}
