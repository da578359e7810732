// The home screen as a team would serve it with Fastify: the statements and calls of
// the hand-written fan-out, a time limit of a second for each, and null for what
// isn't there, as long as the user is. Nothing else that the edge does.

import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'

import Fastify from 'fastify'

import { connect } from './upstream.js'
import { home } from './schema.js'

const { PORT } = process.env

const LIVE = { status: 'ok', source: 'live', age_ms: 0 }
const MISSING = { status: 'unavailable', code: 'upstream_unavailable' }

if (cluster.isPrimary) {
  const workers = availableParallelism()
  // Most of what a request leaves behind dies young.
  cluster.setupPrimary({ execArgv: ['--max-semi-space-size=32'] })
  for (let n = 0; n < workers; n += 1) cluster.fork({ WORKERS: workers })
  cluster.on('exit', () => process.exit(1))
} else {
  const upstream = connect()
  const app = Fastify()

  app.get('/home/:id', { schema: { response: { 200: home } } }, async (request, reply) => {
    const { id } = request.params
    const [profile, accounts, orders, recommendations] = await Promise.allSettled([
      upstream.profile(id),
      upstream.accounts(id),
      upstream.orders(id),
      upstream.recommendations(id)
    ])
    if (profile.status === 'rejected') {
      reply.code(503)
      return { code: 'upstream_unavailable' }
    }
    const all = { profile, accounts, orders, recommendations }
    const data = {}
    const parts = {}
    let complete = true
    for (const name in all) {
      const there = all[name].status === 'fulfilled'
      complete &&= there
      data[name] = there ? all[name].value : null
      parts[name] = there ? LIVE : MISSING
    }
    return { data, parts, complete }
  })

  await app.listen({ host: '127.0.0.1', port: Number(PORT) })
}
