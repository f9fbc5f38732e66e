import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";

/** One request, as the audit log has it (the fields that tests read). */
export interface AuditEvent {
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string };
  readonly userAgent?: string;
  readonly objectRef?: {
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly apiGroup?: string;
  };
  readonly responseStatus?: { readonly code: number };
  readonly requestReceivedTimestamp: string;
}

/** The audit log of an API server, which only grows: each look reads what has come since the one before. */
export class AuditLog {
  readonly #path: string;
  readonly #buffer = Buffer.alloc(1 << 20);
  #offset = 0;
  /** Bytes of a line whose end was not there yet. */
  #rest = Buffer.alloc(0);
  readonly #events = new Map<string, AuditEvent[]>();

  constructor(path: string) {
    this.#path = path;
  }

  /** The requests of a user, in the order of the log. */
  events(username: string): AuditEvent[] {
    this.#read();
    return [...(this.#events.get(username) ?? [])];
  }

  #read(): void {
    if (!existsSync(this.#path)) return;
    const file = openSync(this.#path, "r");
    try {
      // The API server begins another file after 100 MB.
      if (fstatSync(file).size < this.#offset) {
        this.#offset = 0;
        this.#rest = Buffer.alloc(0);
      }
      for (let count; (count = readSync(file, this.#buffer, 0, this.#buffer.length, this.#offset)) > 0;) {
        this.#offset += count;
        this.#add(this.#buffer.subarray(0, count));
      }
    } finally {
      closeSync(file);
    }
  }

  #add(bytes: Buffer): void {
    const text = Buffer.concat([this.#rest, bytes]);
    const end = text.lastIndexOf("\n") + 1;
    this.#rest = text.subarray(end);
    for (const line of text.toString("utf8", 0, end).split("\n")) {
      // The last line of an API server that was killed may be cut off.
      if (!line.endsWith("}")) continue;
      const event = JSON.parse(line) as AuditEvent;
      const events = this.#events.get(event.user.username);
      if (events) events.push(event);
      else this.#events.set(event.user.username, [event]);
    }
  }
}
