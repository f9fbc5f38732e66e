import { expect, test } from "bun:test";
import fc from "fast-check";
import type { KubeObject } from "../api/core.ts";
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
        const before = { x: store.byIndex("on", "x"), y: store.byIndex("on", "y") };
        const change = "set" in each ? store.set(book(each.set, each.on)) : store.delete(each.remove);
        for (const place of ["x", "y"] as const) {
          const now = store.byIndex("on", place);
          const expected = [...store.list()].filter(({ on }) => on.includes(place));
          expect(now.map(({ metadata }) => metadata.name).sort()).toEqual(
            expected.map(({ metadata }) => metadata.name).sort(),
          );
          expect(now.every((object) => expected.includes(object))).toBeTrue();
          const touched = [change?.old, change?.current].some((object) => object?.on.includes(place));
          if (!touched) expect(now).toBe(before[place]);
          else if (now.length > 0) expect(now).not.toBe(before[place]);
        }
      }
    }),
  );
});
