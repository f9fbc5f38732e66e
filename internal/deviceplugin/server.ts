import { rm, stat } from "node:fs/promises";
import { Server, ServerCredentials, status, type sendUnaryData, type ServerWritableStream } from "@grpc/grpc-js";
import {
  AllocateResponse,
  DevicePluginService,
  type AllocateRequest,
  type DevicePluginServer as DevicePluginHandlers,
  type Empty,
  type ListAndWatchResponse,
  type PreferredAllocationRequest,
  type PreferredAllocationResponse,
} from "../../proto/deviceplugin/v1beta1/api.gen.ts";
import { isInconclusive } from "./inconclusive.ts";

/** Answers the kubelet's calls. If a promise is rejected, the kubelet gets the error's message. */
export interface PluginCalls {
  /** The answer must not be changed afterwards. */
  allocate(request: AllocateRequest): Promise<AllocateResponse>;
  preferredAllocation(request: PreferredAllocationRequest): PreferredAllocationResponse;
  /** Called after a list was sent. */
  listed(): void;
  /** Called after the number of open ListAndWatch streams has changed. */
  streamsChanged(open: number): void;
}

/** Encoded answers. Most calls get the same object, and most of a call's cost is to encode it. */
const encoded = new WeakMap<AllocateResponse, Buffer>();

const service: typeof DevicePluginService = {
  ...DevicePluginService,
  allocate: {
    ...DevicePluginService.allocate,
    responseSerialize(answer: AllocateResponse): Buffer {
      const bytes = encoded.get(answer) ?? Buffer.from(AllocateResponse.encode(answer).finish());
      encoded.set(answer, bytes);
      return bytes;
    },
  },
};

type ListStream = ServerWritableStream<Empty, ListAndWatchResponse>;

/** The plugin's own socket. */
export class PluginServer {
  readonly #path: string;
  readonly #calls: PluginCalls;
  readonly #streams = new Set<ListStream>();
  #list: ListAndWatchResponse;
  #server: Server | undefined;
  #inode: bigint | undefined;

  constructor(path: string, list: ListAndWatchResponse, calls: PluginCalls) {
    this.#path = path;
    this.#list = list;
    this.#calls = calls;
  }

  get streams(): number {
    return this.#streams.size;
  }

  /**
   * Serves on a new socket. A socket that an earlier process of this pod left is removed.
   *
   * @throws if the socket cannot be made
   */
  async start(): Promise<void> {
    // The former server unlinks the path when it closes, so it must be gone before the new one binds.
    this.#server?.forceShutdown();
    await rm(this.#path, { force: true });
    // Channelz would keep statistics of every call, which nobody asks for.
    const server = new Server({ "grpc.enable_channelz": 0 });
    server.addService(service, this.#handlers());
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${this.#path}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(new Error(`Cannot listen on ${this.#path}: ${error.message}`, { cause: error })) : resolve(),
      );
    });
    this.#server = server;
    this.#inode = (await stat(this.#path, { bigint: true })).ino;
  }

  /** Whether the socket that this server listens on is still the one at its path. */
  async isReachable(): Promise<boolean> {
    return stat(this.#path, { bigint: true }).then(
      ({ ino }) => ino === this.#inode,
      // A new socket would end the kubelet's stream, and with it the devices: never for want of an answer.
      (error: unknown) => this.#inode !== undefined && isInconclusive(error),
    );
  }

  /** Sends the list to the kubelet, now and at the beginning of each later stream. */
  publish(list: ListAndWatchResponse): void {
    this.#list = list;
    for (const stream of this.#streams) this.#send(stream);
  }

  /** Ends the streams once all that was written has been sent, then the server, and removes its socket. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    for (const stream of this.#streams) stream.end();
    await new Promise<void>((resolve) => {
      // The pod must end although the kubelet does not close its side.
      const timer = setTimeout(() => server.forceShutdown(), 1000);
      server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    await rm(this.#path, { force: true });
  }

  #send(stream: ListStream): void {
    stream.write(this.#list);
    this.#calls.listed();
  }

  #handlers(): DevicePluginHandlers {
    return {
      getDevicePluginOptions: (_call, reply) =>
        reply(null, { preStartRequired: false, getPreferredAllocationAvailable: true }),
      listAndWatch: (stream) => this.#open(stream),
      allocate: (call, reply) => answer(this.#calls.allocate(call.request), reply),
      getPreferredAllocation: (call, reply) => reply(null, this.#calls.preferredAllocation(call.request)),
      preStartContainer: (_call, reply) => reply(null, {}),
    };
  }

  #open(stream: ListStream): void {
    const close = (): void => {
      if (this.#streams.delete(stream)) this.#calls.streamsChanged(this.#streams.size);
    };
    stream.on("cancelled", close);
    stream.on("close", close);
    stream.on("error", close);
    this.#streams.add(stream);
    this.#send(stream);
    this.#calls.streamsChanged(this.#streams.size);
  }
}

function answer<T>(result: Promise<T>, reply: sendUnaryData<T>): void {
  result.then(
    (value) => reply(null, value),
    (error: unknown) => reply({ code: status.FAILED_PRECONDITION, details: (error as Error).message }),
  );
}
