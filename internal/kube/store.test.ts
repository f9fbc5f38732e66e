import { expect, test } from "bun:test";
import fc from "fast-check";
import type { KubeObject, Pod } from "../api/core.ts";
import { Store } from "./store.ts";

type Shelf = KubeObject & { on: string[] };

const book = (name: string, on: string[]): Shelf => ({ apiVersion: "v1", kind: "Book", metadata: { name }, on });
const names = fc.constantFrom("a", "b", "c");
const places = fc.uniqueArray(fc.constantFrom("x", "y"), { maxLength: 2 });
const action = fc.oneof(fc.record({ set: names, on: places }), fc.record({ remove: names }));

test("an index gives what is there, in the same array as long as none of it changes", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
      const store = new Store<Shelf, "on">({ on: ({ on }) => on });
      for (const each of actions) {
        const before = { x: store.indexRevisionOf("on", "x"), y: store.indexRevisionOf("on", "y") };
        const change = "set" in each ? store.set(book(each.set, each.on)) : store.delete(each.remove);
        for (const place of ["x", "y"] as const) {
          const now = store.byIndex("on", place);
          const expected = [...store.list()].filter(({ on }) => on.includes(place));
          expect(now.map(({ metadata }) => metadata.name).sort()).toEqual(
            expected.map(({ metadata }) => metadata.name).sort(),
          );
          expect(now.every((object) => expected.includes(object))).toBeTrue();
          const touched = [change?.old, change?.current].some((object) => object?.on.includes(place));
          const revision = store.indexRevisionOf("on", place);
          if (touched) expect(revision).not.toBe(before[place]);
          else expect(revision).toBe(before[place]);
        }
      }
    }),
  );
});

test("revisions grow with what they stand for, and with nothing else", () => {
  const store = new Store<Pod, "node">({ node: ({ spec }) => (spec?.nodeName ? [spec.nodeName] : []) });
  const pod = (name: string, nodeName: string): Pod =>
    ({ metadata: { name, namespace: "ns" }, spec: { nodeName } }) as unknown as Pod;
  const revisions = (): number[] => [
    store.revisionOf("ns/a"),
    store.revisionOf("ns/b"),
    store.indexRevisionOf("node", "n1"),
    store.indexRevisionOf("node", "n2"),
  ];
  /** Which of the four have changed since the last call; a number that was there before must not come back. */
  const seen = [new Set([0]), new Set([0]), new Set([0]), new Set([0])];
  let last = revisions();
  const changed = (): boolean[] => {
    const now = revisions();
    const which = now.map((each, i) => each !== last[i]);
    for (const [i, each] of now.entries()) {
      if (which[i] && each !== 0) expect(seen[i]!.has(each)).toBeFalse();
      seen[i]!.add(each);
    }
    last = now;
    return which;
  };
  expect(last).toEqual([0, 0, 0, 0]);
  store.set(pod("a", "n1"));
  expect(changed()).toEqual([true, false, true, false]);
  store.set(pod("b", "n1"));
  expect(changed()).toEqual([false, true, true, false]);
  store.set(pod("b", "n2"));
  expect(changed()).toEqual([false, true, true, true]);
  store.delete("ns/a");
  expect(changed()).toEqual([true, false, true, false]);
  store.delete("ns/none");
  expect(changed()).toEqual([false, false, false, false]);
  store.set(pod("a", "n1"));
  expect(changed()).toEqual([true, false, true, false]);
});

test("an object that an index cannot read leaves the store as it was", () => {
  const store = new Store<Shelf, "on" | "first">({
    on: ({ on }) => on,
    first: ({ on: [first = ""] }) => {
      if (first === "torn") throw new TypeError("no such place");
      return [first];
    },
  });
  store.set(book("a", ["x"]));
  const before = { list: [...store.list()], x: store.byIndex("on", "x"), revision: store.revision };
  expect(() => store.set(book("a", ["torn"]))).toThrow("no such place");
  expect(() => store.set(book("b", ["torn"]))).toThrow("no such place");
  expect({ list: [...store.list()], x: store.byIndex("on", "x"), revision: store.revision }).toEqual(before);
  expect(store.byIndex("on", "torn")).toEqual([]);
});
