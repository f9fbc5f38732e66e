/** Mutants of internal/kube and internal/controller. */
import { mutantsOf, type Mutant } from "./mutant.ts";

const KUBE = "internal/kube";

export const KUBE_MUTANTS: Mutant[] = [
  ...mutantsOf(`${KUBE}/events.ts`, [`${KUBE}/events.test.ts`], {
    "an event that has expired is a failure": ["if (!isNotFound(error)) throw error;", "throw error;"],
  }),
  ...mutantsOf(`${KUBE}/reflector.ts`, [`${KUBE}/informer.test.ts`], {
    "a watch that fails is resumed for ever": ["if (refused || ++this.#failures >= MAX_RESUMES)", "if (refused)"],
    "a deleted CRD leaves its objects": ["this.#options.sink.absent();", ""],
  }),
  ...mutantsOf(`${KUBE}/connections.ts`, [`${KUBE}/transport.test.ts`], {
    "connections that do not answer are kept": [
      "if (++pool.unanswered >= MAX_UNANSWERED &&",
      "if (++pool.unanswered < 0 &&",
    ],
  }),
  ...mutantsOf("internal/controller/workqueue.ts", ["internal/controller/workqueue.test.ts"], {
    "of several times the latest counts": [
      "if (known && known.at <= at) return;",
      "if (known && known.at >= at) return;",
    ],
  }),
];
