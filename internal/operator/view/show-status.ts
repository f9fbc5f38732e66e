/** Prints `onloadctl status`, once or again after every change. */
import type { Logger } from "../../cli/log.ts";
import { useColour } from "../../cli/log.ts";
import type { Client } from "../../kube/client.ts";
import { stringify } from "yaml";
import { onloadView, statusText, type OnloadView } from "./status-view.ts";
import { nothingFound, Survey, type Scope } from "./survey.ts";

export type StatusOutput = "table" | "wide" | "json" | "yaml" | "name";

export interface ShowOptions {
  client: Client;
  scope: Scope;
  output: StatusOutput;
  watch: boolean;
  log: Logger;
  stdout: { write(text: string): unknown; isTTY?: boolean };
}

/** Changes that follow each other closely are shown together. */
const TOGETHER_MS = 200;
/** Ages are counted on by this much where nothing else changes. */
const REFRESH_MS = 1000;

/**
 * @throws Error where the API server refuses, or a resource that was named does not exist
 */
export async function showStatus(options: ShowOptions, signal: AbortSignal): Promise<void> {
  const { client, scope, log, watch, stdout } = options;
  const survey = new Survey(client, scope, log);
  try {
    await survey.load(signal);
    const views = (await survey.findings(signal)).map(onloadView);
    if (views.length === 0 && (scope.name !== undefined || survey.caches.onloads.state === "absent")) {
      throw new Error(nothingFound(survey.caches, scope));
    }
    if (views.length === 0 && !watch) log.info(nothingFound(survey.caches, scope));
    if (watch) await follow(survey, options, signal);
    else stdout.write(render(views, options.output, Date.now()));
  } finally {
    await survey.close();
  }
}

/** The views in an output format; where there are none, an empty list, or nothing for a person. */
export function render(views: readonly OnloadView[], output: StatusOutput, now: number): string {
  switch (output) {
    case "json":
      return `${JSON.stringify(views, null, 2)}\n`;
    case "yaml":
      return stringify(views);
    case "name":
      return views.map(({ name }) => `onload.onload.amd.com/${name}\n`).join("");
    default:
      return views.length === 0 ? "" : statusText(views, output === "wide", now);
  }
}

/** On a terminal the text stands still and changes; elsewhere each change is printed below the last. */
async function follow(survey: Survey, { output, stdout }: ShowOptions, signal: AbortSignal): Promise<void> {
  const live = useColour(stdout) && (output === "table" || output === "wide");
  let wake = Promise.withResolvers<void>();
  const following = survey.follow(() => wake.resolve(), signal);
  signal.addEventListener("abort", () => wake.resolve(), { once: true });
  let last = "";
  while (!signal.aborted) {
    wake = Promise.withResolvers<void>();
    const text = await frame(survey, output, live, signal);
    if (text !== last && text !== undefined) {
      if (live) stdout.write(`\u001b[H\u001b[2J${text}`);
      else stdout.write(last === "" || output === "json" ? text : `\n${text}`);
      last = text;
    }
    await Promise.race([wake.promise, ...(live ? [pause(REFRESH_MS, signal)] : [])]);
    await pause(TOGETHER_MS, signal);
  }
  await following;
}

async function frame(
  survey: Survey,
  output: StatusOutput,
  live: boolean,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const views = (await survey.findings(signal)).map(onloadView);
    // In a stream, ages would make every line a change: they are counted from the change itself.
    const text = output === "json" ? `${JSON.stringify(views)}\n` : render(views, output, live ? Date.now() : 0);
    const stale = survey.problem === undefined ? "" : `\nNot up to date: ${survey.problem}\n`;
    return live ? text + stale : text;
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
