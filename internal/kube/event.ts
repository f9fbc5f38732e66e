import { randomUUID } from "node:crypto";
import { printable } from "../cli/printable.ts";
import type { DeepReadonly, KubeObject } from "../api/core.ts";
import type { Resource } from "../api/resources.ts";
import type { Event, ObjectReference } from "./kinds.ts";
import { apiVersionOf } from "./resource.ts";
import { microTime, parseTime, secondTime } from "./times.ts";

/** What happened, as `kubectl describe` shows it. */
export interface EventText {
  type: "Normal" | "Warning";
  /** CamelCase constant; part of the API. */
  reason: string;
  /** One sentence. Cut at 1024 bytes. */
  note: string;
  /** The action that led to the event, CamelCase. Default: the reason. */
  action?: string;
  related?: ObjectReference;
}

/** Takes events. Recording never throws and never waits. */
export interface EventSink {
  record(regarding: ObjectReference, event: EventText): void;
}

/** A reference to `object`, which may come from a list and so lack its kind. */
export function referenceTo(resource: Resource, object: DeepReadonly<KubeObject>): ObjectReference {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  return {
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    name,
    ...(namespace ? { namespace } : {}),
    ...(uid ? { uid } : {}),
    ...(resourceVersion ? { resourceVersion } : {}),
  };
}

/** When an event happened last, in milliseconds since the epoch. Which field has that depends on the client that wrote it. */
export function lastSeen({
  series,
  lastTimestamp,
  eventTime,
  firstTimestamp,
}: DeepReadonly<EventTimes>): number | undefined {
  const times = [series?.lastObservedTime, lastTimestamp, eventTime, firstTimestamp].map(parseTime);
  const known = times.filter((time) => time !== undefined);
  return known.length > 0 ? Math.max(...known) : undefined;
}

type EventTimes = Pick<Event, "series" | "lastTimestamp" | "eventTime" | "firstTimestamp">;

export type NewEvent = Event & { metadata: { name: string; namespace: string } };

/** The Event that says `text` of `regarding`, without what changes when it repeats. */
export function newEvent(
  regarding: ObjectReference,
  text: EventText,
  reporter: { component: string; instance: string },
  now: number,
): NewEvent {
  return {
    // Events about cluster-scoped objects live in "default".
    metadata: { name: eventName(regarding.name), namespace: regarding.namespace ?? "default" },
    eventTime: microTime(now),
    firstTimestamp: secondTime(now),
    type: text.type,
    reason: text.reason,
    action: text.action ?? text.reason,
    message: cut(printable(text.note, 1024), 1024),
    involvedObject: regarding,
    ...(text.related ? { related: text.related } : {}),
    reportingComponent: reporter.component,
    reportingInstance: cut(reporter.instance, 128),
  };
}

/** A name that no other event has. */
export function eventName(subject: string | undefined): string {
  return `${(subject ?? "onload").slice(0, 200)}.${randomUUID().slice(0, 18)}`;
}

function cut(text: string, bytes: number): string {
  const encoded = Buffer.from(text, "utf8");
  if (encoded.length <= bytes) return text;
  // An incomplete last character decodes to U+FFFD.
  return `${encoded
    .subarray(0, bytes - 3)
    .toString("utf8")
    .replace(/\uFFFD$/, "")}…`;
}
