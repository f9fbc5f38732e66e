import { expect, test } from "bun:test";
import fc from "fast-check";
import type { KubeObject } from "../api/core.ts";
import { REMEMBERED_CHANGES, Store } from "./store.ts";

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
        const before = { x: store.byIndex("on", "x"), y: store.byIndex("on", "y") };
        const change = "set" in each ? store.set(book(each.set, each.on)) : store.delete(each.remove);
        for (const place of ["x", "y"] as const) {
          const now = store.byIndex("on", place);
          const expected = [...store.list()].filter(({ on }) => on.includes(place));
          expect(now.map(({ metadata }) => metadata.name).sort()).toEqual(
            expected.map(({ metadata }) => metadata.name).sort(),
          );
          expect(now.every((object) => expected.includes(object))).toBeTrue();
          expect([...store.indexValues("on")].includes(place)).toBe(expected.length > 0);
          const touched = [change?.old, change?.current].some((object) => object?.on.includes(place));
          if (!touched) expect(now).toBe(before[place]);
        }
      }
    }),
  );
});

test("what has changed since a revision is told, by key and by each value under which it was or is", () => {
  // Few changes in many places, so that most are touched by one change alone.
  const on = fc.uniqueArray(fc.constantFrom("v", "w", "x", "y", "z"), { maxLength: 2 });
  const one = fc.oneof(fc.record({ set: names, on }), fc.record({ remove: names }));
  fc.assert(
    fc.property(fc.array(one, { maxLength: 8 }), fc.nat({ max: 8 }), (actions, from) => {
      const store = new Store<Shelf, "on">({ on: ({ on }) => on });
      const had = new Map<string, string[]>();
      const expected = { keys: new Set<string>(), values: new Set<string>() };
      const start = Math.min(from, actions.length);
      let revision = store.revision;
      for (const [i, each] of actions.entries()) {
        if (i === start) revision = store.revision;
        const key = "set" in each ? each.set : each.remove;
        const touched = [...(had.get(key) ?? []), ...("set" in each ? each.on : [])];
        if (i >= start && ("set" in each || had.has(key))) {
          expected.keys.add(key);
          for (const value of touched) expected.values.add(value);
        }
        if ("set" in each) had.set(key, each.on);
        else had.delete(key);
        if ("set" in each) store.set(book(each.set, each.on));
        else store.delete(each.remove);
      }
      if (start === actions.length) revision = store.revision;
      expect(store.changedSince(revision)).toEqual(expected.keys);
      expect(store.changedSince(revision, "on")).toEqual(expected.values);
    }),
    { numRuns: 1000 },
  );
});

test("of what has changed too long ago to tell, nothing is told", () => {
  const store = new Store<Shelf, "on">({ on: ({ on }) => on });
  const told: number[] = [];
  for (let i = 0; i < 5 * REMEMBERED_CHANGES; i++) {
    store.set(book(`b${i}`, [`p${i}`]));
    expect([...store.changedSince(i)!]).toEqual([`b${i}`]);
    expect([...store.changedSince(i, "on")!]).toEqual([`p${i}`]);
    let back = 0;
    while (back <= i && store.changedSince(i - back) !== undefined) back += REMEMBERED_CHANGES / 4;
    told.push(back);
    if (i >= REMEMBERED_CHANGES) expect(store.changedSince(i + 1 - REMEMBERED_CHANGES)?.size).toBe(REMEMBERED_CHANGES);
  }
  // Its memory is bounded.
  expect(Math.max(...told)).toBeLessThanOrEqual(2.25 * REMEMBERED_CHANGES);
  expect(store.changedSince(0)).toBeUndefined();
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
