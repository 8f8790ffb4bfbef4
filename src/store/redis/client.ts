/**
 * One use of ioredis, from connecting to the end of the connection. A client never reconnects and never sends anything
 * twice: a new one is made instead (`link.ts`). So what it had not answered can be told to have failed, and nothing
 * waits in a queue for a server to come back.
 */
import type * as IoRedis from 'ioredis'
import type { Cluster, Redis } from 'ioredis'
import { StoreError } from '../../errors.ts'
import { loadOptional } from '../../optional-package.ts'
import { codeOf } from '../../net/system-error.ts'
import { reasonFor, replyCode } from './failures.ts'
import { probeKey } from './keys.ts'
import { PROBE, type Script } from './scripts.ts'
import type { Settings } from './options.ts'

/** Called with an error or a reply. */
export type Done = (error: Error | undefined, reply?: unknown) => void

/** A connection that can be used, or several to the nodes of a Cluster. */
export interface Client {
  /** Sends what `send` asks for in as few writes as possible. */
  together(send: () => void): void
  /**
   * @param wanted whether anybody still waits for the reply
   */
  run(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    done: Done,
    wanted: () => boolean,
  ): void
  /** How many replicas have what was sent before on this connection, within milliseconds. */
  confirm(replicas: number, milliseconds: number): Promise<number>
  /** What SCAN has to ask. @throws StoreError STORE_UNAVAILABLE if a part of a Cluster is missing */
  parts(): readonly Part[]
  /** Ends all connections at once. */
  destroy(): void
}

/** A server with some of the keys. */
export interface Part {
  scan(cursor: string, pattern: string, count: number, done: Done): void
}

/** Milliseconds to connect, with TLS. */
const CONNECT = 1_000
const SLOTS = 16_384

/** Loads ioredis. @throws UsageError MISSING_PACKAGE */
export const loadRedis = async (): Promise<void> => {
  await load()
}
const load = (): Promise<Pick<typeof IoRedis, 'Cluster' | 'Redis'>> =>
  loadOptional('ioredis', 'a store in Redis', () => import('ioredis'))

/**
 * Connects.
 *
 * @param ended called once, with the reason, when the client that was returned can no longer be used
 * @param signal ends the attempt
 * @throws Error with the reason
 */
export async function connectClient(
  settings: Settings,
  ended: (reason: string) => void,
  signal: AbortSignal,
): Promise<Client> {
  const ioredis = await load()
  const password = settings.password()
  const secrets = [password, settings.sentinelPassword]
  const inner =
    settings.place.type === 'cluster'
      ? new ioredis.Cluster(...clusterOptions(settings, password))
      : new ioredis.Redis(serverOptions(settings, password))
  const client =
    inner instanceof ioredis.Cluster ? ofCluster(inner, settings) : ofServer(inner, settings)
  let last: Error | undefined
  let sentinel: Error | undefined
  inner.on('error', (error: Error & { readonly lastNodeError?: Error }) => {
    last = error.lastNodeError ?? error
  })
  inner.on('node error', (error: Error) => (last = error))
  inner.on('sentinelError', (error: Error) => (sentinel = error))
  const reason = (): string => {
    if (last === undefined) return 'it closed the connection'
    if (sentinel !== undefined && last.message.startsWith('All sentinels ')) {
      return `no Sentinel names a server for primary: ${reasonFor(sentinel, secrets)}`
    }
    const said = reasonFor(last, secrets)
    // A port without TLS may wait for the rest of what it takes for a command.
    return settings.tls !== undefined && codeOf(last) === 'ETIMEDOUT'
      ? `${said}; the port may not speak TLS`
      : said
  }
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      client.destroy()
      reject(new Error(last === undefined ? 'it did not answer' : reason()))
    }
    if (signal.aborted) return stop()
    signal.addEventListener('abort', stop, { once: true })
    // A server that is stopped accepts connections, and answers nothing.
    let silence: NodeJS.Timeout | undefined
    inner.once('connect', () => {
      silence = setTimeout(stop, Math.max(CONNECT, 2 * settings.deadline))
    })
    const over = (): void => {
      clearTimeout(silence)
      signal.removeEventListener('abort', stop)
    }
    inner.once('end', () => {
      over()
      reject(new Error(reason()))
      ended(reason())
    })
    inner.once('ready', () => {
      probe(client, settings).then(
        () => {
          over()
          resolve()
        },
        (error: Error) => {
          last = error
          stop()
        },
      )
    })
  })
  return client
}

/** Asks for a step, since a replica accepts connections too, and what is no Redis may say anything. */
function probe(client: Client, { place, prefix }: Settings): Promise<void> {
  // A Cluster was asked for its state. One of its nodes may be down, and the others be of use.
  if (place.type === 'cluster') return Promise.resolve()
  return new Promise((resolve, reject) =>
    client.run(
      PROBE,
      [probeKey(prefix)],
      [],
      (error, reply) => {
        if (error !== undefined && !USABLE.includes(replyCode(error))) return reject(error)
        if (error === undefined && reply !== 1) {
          return reject(new Error('what answers is not a Redis server'))
        }
        resolve()
      },
      () => true,
    ),
  )
}

/** Errors of servers that can still be read, or do some of the steps. */
const USABLE: readonly string[] = ['OOM', 'MISCONF', 'NOREPLICAS']

type ServerOptions = IoRedis.RedisOptions & { replyMapping?: 'legacy' }
type ClusterOptions = NonNullable<ConstructorParameters<typeof Cluster>[1]>

function commonOptions(settings: Settings, password: string | undefined) {
  const { username, tls, deadline } = settings
  return {
    // What RESP3 adds is not used, and older servers lack it.
    protocol: 2 as const,
    disableClientInfo: true,
    ...(password === undefined ? {} : { password }),
    ...(username === undefined ? {} : { username }),
    ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
    connectTimeout: Math.max(CONNECT, deadline),
    disconnectTimeout: 100,
    // Nothing is sent again, and nothing waits: see the docblock above.
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    enableReadyCheck: false,
  }
}

function serverOptions(settings: Settings, password: string | undefined): ServerOptions {
  const { place, database, tls, sentinelUsername, sentinelPassword, deadline } = settings
  const common = { ...commonOptions(settings, password), db: database }
  switch (place.type) {
    case 'socket':
      return { ...common, path: place.path }
    case 'sentinels':
      return {
        ...common,
        sentinels: place.sentinels.map((one) => ({ ...one })),
        name: place.primary,
        // INFO says whether it still is the primary.
        enableReadyCheck: true,
        sentinelCommandTimeout: deadline,
        sentinelRetryStrategy: () => null,
        ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
        ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
        ...(tls === undefined
          ? {}
          : { sentinelTLS: tlsOptions(tls), enableTLSForSentinelMode: true }),
      }
    case 'cluster':
      throw new Error('a Cluster is not one server')
    case 'server':
      return { ...common, host: place.host, port: place.port }
  }
}

function clusterOptions(
  settings: Settings,
  password: string | undefined,
): [{ host: string; port: number }[], ClusterOptions] {
  const { place, deadline } = settings
  const nodes = place.type === 'cluster' ? place.nodes : []
  return [
    nodes.map((one) => ({ ...one })),
    {
      // `Link` sees that a server is silent, but not which of several.
      redisOptions: {
        ...commonOptions(settings, password),
        socketTimeout: Math.max(CONNECT, 2 * deadline),
      },
      clusterRetryStrategy: () => null,
      // A command whose connection broke may have been executed. Others that were sent to a wrong node were not.
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 100,
      // While a slot moves, a step with two keys finds one of them here and one there. A turn has three redirections.
      retryDelayOnTryAgain: 100,
      maxRedirections: 16,
      slotsRefreshTimeout: deadline,
      slotsRefreshInterval: 5_000,
      // Names are looked up when a node is connected, so that TLS can check them.
      dnsLookup: (address, callback) => callback(null, address),
    },
  ]
}

const tlsOptions = ({ ca, cert, key, name }: NonNullable<Settings['tls']>): object => ({
  ...(ca === undefined ? {} : { ca }),
  ...(cert === undefined ? {} : { cert }),
  ...(key === undefined ? {} : { key }),
  ...(name === undefined ? {} : { servername: name }),
})

function run(redis: Redis | Cluster): Client['run'] {
  return (script, keys, args, done, wanted) => {
    const failed = (error: Error): void => done(error)
    const replied = (reply: unknown): void => done(undefined, reply)
    redis.evalsha(script.sha, keys.length, ...keys, ...args).then(replied, (error: Error) => {
      // Nothing of it was executed.
      if (replyCode(error) !== 'NOSCRIPT' || !wanted()) return failed(error)
      redis.eval(script.source, keys.length, ...keys, ...args).then(replied, failed)
    })
  }
}

const partOf = (redis: Redis): Part => ({
  scan: (cursor, pattern, count, done) =>
    void redis
      .scan(cursor, 'MATCH', pattern, 'COUNT', count)
      .then((reply) => done(undefined, reply), done),
})

function ofServer(redis: Redis, { prefix }: Settings): Client {
  return {
    together(send) {
      const { stream } = redis
      stream.cork()
      try {
        send()
      } finally {
        stream.uncork()
      }
    },
    run: run(redis),
    async confirm(replicas, milliseconds) {
      // WAIT counts from the last change of its own connection. So one is made, since the change of a step that is
      // repeated may have come by an earlier connection.
      const [, confirmed] = await Promise.all([
        redis.set(probeKey(prefix), '', 'PX', 1_000),
        redis.wait(replicas, milliseconds),
      ])
      return typeof confirmed === 'number' ? confirmed : 0
    },
    parts: () => [partOf(redis)],
    destroy() {
      redis.disconnect()
      redis.stream?.destroy()
    },
  }
}

function ofCluster(cluster: Cluster, { name }: Settings): Client {
  return {
    together(send) {
      const streams = cluster.nodes('master').map(({ stream }) => stream)
      for (const stream of streams) stream?.cork()
      try {
        send()
      } finally {
        for (const stream of streams) stream?.uncork()
      }
    },
    run: run(cluster),
    confirm: () => Promise.resolve(0),
    parts() {
      const byAddress = new Map(
        cluster
          .nodes('master')
          .map((node) => [`${node.options.host}:${node.options.port}`, node]),
      )
      const owners = new Set(cluster.slots.map((nodes) => nodes?.[0]))
      return [...owners].map((owner) => {
        const node = owner === undefined ? undefined : byAddress.get(owner)
        if (node === undefined || Object.keys(cluster.slots).length < SLOTS) {
          throw new StoreError(
            'STORE_UNAVAILABLE',
            `${name}: a part of the Cluster is missing${owner === undefined ? '' : `, the node ${owner}`}`,
          )
        }
        return partOf(node)
      })
    },
    destroy() {
      const nodes = cluster.nodes()
      cluster.disconnect()
      for (const { stream } of nodes) stream?.destroy()
    },
  }
}
