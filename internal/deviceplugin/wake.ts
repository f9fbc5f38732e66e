import { statSync, watch, type FSWatcher } from "node:fs";

/** Lets one loop sleep until something happens; what happens while it is awake is not lost. */
export class Wake {
  #pending = false;
  #resume: (() => void) | undefined;

  /** Ends the current wait, or else the next one at once. */
  notify(): void {
    this.#pending = true;
    this.#resume?.();
  }

  /** Waits for a notification, for `ms` milliseconds, or until the signal is aborted, whichever comes first. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#pending && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        const resume = (): void => {
          clearTimeout(timer);
          resolve();
        };
        this.#resume = resume;
        signal.addEventListener("abort", resume, { once: true });
        // The signal outlives every wait: a listener left behind each time would be a leak.
        this.#cleanUp = () => signal.removeEventListener("abort", resume);
      });
      this.#cleanUp?.();
      this.#resume = undefined;
    }
    this.#pending = false;
  }

  #cleanUp: (() => void) | undefined;
}

/**
 * Notices changes of names in a folder (inotify), as a hint to look: whoever uses it looks now and then anyway, since a
 * file system need not report everything.
 */
export class FolderWatch {
  readonly #path: string;
  readonly #onChange: (name: string | null) => void;
  #watcher: FSWatcher | undefined;
  #inode: bigint | undefined;

  constructor(path: string, onChange: (name: string | null) => void) {
    this.#path = path;
    this.#onChange = onChange;
  }

  /** Watches the folder that is at the path now; call it again from time to time, because that may be another one. */
  ensure(): void {
    const inode = inodeOf(this.#path);
    if (inode === this.#inode && this.#watcher !== undefined) return;
    this.close();
    if (inode === undefined) return;
    try {
      const watcher = watch(this.#path, (_event, name) => this.#onChange(name));
      watcher.on("error", () => this.close());
      this.#watcher = watcher;
      this.#inode = inode;
    } catch {
      // Out of inotify watches: the slow look remains.
    }
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#inode = undefined;
  }
}

function inodeOf(path: string): bigint | undefined {
  try {
    return statSync(path, { bigint: true }).ino;
  } catch {
    return undefined;
  }
}
