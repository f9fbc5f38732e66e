import { expect, test } from "bun:test";
import { saidOnce } from "./said-once.ts";

const MISSING =
  "Image registry.example.com/onload-module:9.9.9 is not available: manifest unknown; build and push $& it";

test("what the table tells of a node is not told above it", () => {
  const sentence = `Node "a" failed at LoadingOnload: ${MISSING} (and 1 more node)`;
  const below = ["NoFreeSlot: The slot is held by a (LoadingOnload)", `ModuleImageMissing: ${MISSING}`];
  expect(saidOnce(sentence, below)).toBe('Node "a" failed at LoadingOnload: see below (and 1 more node)');
  expect(saidOnce(sentence, [])).toBe(sentence);
});

test("what is short, or something else, stays", () => {
  expect(saidOnce('Node "a": The node is not Ready', ["NodeNotReady: The node is not Ready"])).toEndWith("not Ready");
  expect(saidOnce("0 of 2 nodes are ready", [`ModuleImageMissing: ${MISSING}`])).toBe("0 of 2 nodes are ready");
});
