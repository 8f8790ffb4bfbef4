// Several servers that belong together: a primary with replicas and Sentinels, and a Cluster.
import { spawnSync } from 'node:child_process'
import { eventually, RedisServer } from './redis-server.ts'

export interface SentinelTrio {
  readonly servers: readonly RedisServer[]
  readonly sentinels: readonly RedisServer[]
  /** The primary, as most of the Sentinels see it. */
  primary(): Promise<RedisServer>
}

/** A primary with two replicas, and three Sentinels that fail over after half a second of silence. */
export async function startSentinels(): Promise<SentinelTrio> {
  const primary = await RedisServer.start()
  const replicas = await Promise.all(
    [1, 2].map(() => RedisServer.start('--replicaof', '127.0.0.1', String(primary.port))),
  )
  const servers = [primary, ...replicas]
  await eventually(async () => / slave1:|\nslave1:/.test(await info(primary)))
  const sentinels = await Promise.all(
    [1, 2, 3].map(() =>
      RedisServer.sentinel(
        `sentinel monitor mymaster 127.0.0.1 ${primary.port} 2`,
        'sentinel down-after-milliseconds mymaster 500',
        'sentinel failover-timeout mymaster 3000',
      ),
    ),
  )
  const seen = (sentinel: RedisServer): Promise<unknown> =>
    sentinel.command('sentinel', 'get-master-addr-by-name', 'mymaster')
  await Promise.all(
    sentinels.map((sentinel) =>
      eventually(async () => {
        const text = String(await sentinel.command('sentinel', 'master', 'mymaster'))
        return /num-slaves,2/.test(text) && /num-other-sentinels,2/.test(text)
      }),
    ),
  )
  return {
    servers,
    sentinels,
    async primary() {
      const votes = await Promise.all(sentinels.map(seen))
      const ports = votes.map((vote) => Number((vote as string[])[1]))
      const port = ports.find((one, i) => ports.indexOf(one) !== i)
      const found = servers.find((server) => server.port === port)
      if (found === undefined) throw new Error(`no primary among ${ports.join(', ')}`)
      return found
    },
  }
}

const info = async (server: RedisServer): Promise<string> =>
  String(await server.command('info', 'replication'))

/** A Cluster of three nodes, with a replica each if wanted. Other nodes go on while one is missing. */
export async function startCluster(replicas: 0 | 1): Promise<readonly RedisServer[]> {
  const nodes = await Promise.all(
    Array.from({ length: 3 + 3 * replicas }, () =>
      RedisServer.configured(
        'cluster-enabled yes',
        'cluster-node-timeout 1000',
        'cluster-require-full-coverage no',
      ),
    ),
  )
  const { status, stdout, stderr } = spawnSync(
    'redis-cli',
    [
      '--cluster',
      'create',
      ...nodes.map(({ address }) => address),
      '--cluster-replicas',
      String(replicas),
      '--cluster-yes',
    ],
    { encoding: 'utf8', timeout: 60_000 },
  )
  if (status !== 0) throw new Error(`no Cluster was made:\n${stdout}${stderr}`)
  await Promise.all(
    nodes.map((node) =>
      eventually(async () => {
        const state = String(await node.command('cluster', 'info'))
        // A replica that has never had its primary's data takes no place.
        return (
          /cluster_state:ok/.test(state) &&
          /cluster_slots_ok:16384/.test(state) &&
          !/master_link_status:down/.test(await info(node))
        )
      }),
    ),
  )
  return nodes
}
