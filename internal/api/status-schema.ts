/** The schema of status of the Onload resource; see schema.ts. */
import * as z from "zod";
import { int32, text } from "./schema-parts.ts";

const condition = z.object({
  type: text(316).meta({ description: "Ready, Progressing, Degraded, Stalled or Protected." }),
  status: z.enum(["True", "False", "Unknown"]).meta({ description: "Whether the condition holds." }),
  reason: z.string().meta({ maxLength: 1024, minLength: 1, description: "Why, as one CamelCase word." }),
  message: z.string().meta({ maxLength: 32768, description: "Why, in a sentence." }),
  lastTransitionTime: z.string().meta({ format: "date-time", description: "When status changed last." }),
  observedGeneration: z
    .int()
    .optional()
    .meta({ format: "int64", minimum: 0, description: "metadata.generation that the condition is about." }),
});

const count = int32(0).default(0);

const nodeCounts = z.object({
  desired: count.meta({ description: "Nodes that are selected." }),
  updated: count.meta({ description: "Nodes that have the labels of the wanted version." }),
  ready: count.meta({ description: "Nodes where the wanted version runs and amd.com/onload can be allocated." }),
  upgrading: count.meta({ description: "Nodes in between two states." }),
  failed: count.meta({ description: "Nodes that failed; see problems." }),
});

const problem = z.object({
  node: text(253).meta({ description: "Name of the node." }),
  step: text().meta({ description: "Step that the node is at." }),
  reason: text().meta({ description: "Why, as one CamelCase word." }),
  message: z.string().meta({ maxLength: 4096, description: "Why, and what to do." }),
  since: z.string().optional().meta({ format: "date-time", description: "Since when." }),
});

const headline = z.object({
  reason: text().meta({ description: "The reason of the condition that matters most." }),
  message: z.string().meta({ maxLength: 32768, description: "Its message." }),
});

const lastReady = z.object({
  version: text().meta({ description: "That version." }),
  time: z.string().meta({ format: "date-time", description: "When all nodes had become Ready." }),
  onload: z.record(z.string(), z.unknown()).meta({
    "x-kubernetes-preserve-unknown-fields": true,
    description: "spec.onload as it was then: what a rollback goes back to.",
  }),
});

const rollback = z.object({
  fromVersion: text().meta({ description: "Version that failed." }),
  toVersion: text().meta({ description: "Version that the nodes go back to, or are back at." }),
  observedGeneration: z.int().meta({
    format: "int64",
    description: "metadata.generation that failed.",
  }),
  onloadDigest: text(64)
    .optional()
    .meta({ description: "Digest of the spec.onload that failed. Any other spec.onload ends the rollback." }),
  retry: text()
    .optional()
    .meta({ description: "Digest of the retry annotation that failed. Any other value of it ends the rollback." }),
  since: z.string().meta({ format: "date-time", description: "When the rollback began." }),
  message: z.string().optional().meta({ maxLength: 4096, description: "What failed, and where." }),
});

/** status of an Onload resource. */
export const onloadStatus = z
  .object({
    observedGeneration: z
      .int()
      .optional()
      .meta({ format: "int64", description: "metadata.generation that the status is about." }),
    version: text().optional().meta({
      description: "Version that nodes are brought to: spec.onload.version, or an earlier one after a rollback.",
    }),
    selector: z.record(z.string(), z.string()).optional().meta({
      description:
        "The selector that holds: spec.selector, or the one before while a change of it is held back because it would let go of too many nodes that serve.",
    }),
    selectorHeldBack: z.record(z.string(), z.string()).optional().meta({
      description:
        "The spec.selector that was held back. It stays so until it is confirmed, or lets go of no more nodes than may be out, whatever serves there by now.",
    }),
    conditions: z
      .array(condition)
      .optional()
      .meta({
        maxItems: 16,
        description: "Ready, Progressing, Degraded, Stalled and Protected.",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
      }),
    headline: headline.optional().meta({
      description:
        "What matters most of the conditions: what needs a person, else what goes on, else whether it is ready.",
    }),
    nodes: nodeCounts.optional().meta({ description: "How many nodes are in which state." }),
    problems: z.array(problem).optional().meta({
      maxItems: 10,
      description: "Nodes with problems, at most ten of them.",
      "x-kubernetes-list-type": "atomic",
    }),
    stalledSince: z.string().optional().meta({
      format: "date-time",
      description:
        "Since when nothing moves although nodes wait, without a person's wish or a failure that explains it.",
    }),
    lastReady: lastReady.optional().meta({ description: "The last version that was Ready on every selected node." }),
    rollback: rollback.optional().meta({ description: "The rollback that is under way or done." }),
  })
  .meta({ description: "What the operator sees and does. Written by the operator." });
