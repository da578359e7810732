// What stands behind the screen: PostgreSQL, and the orders service over gRPC.

import grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import pg from 'pg'

const { ACCOUNTS, ORDERS, TOKENS, PROTO, CONNECTIONS, WORKERS } = process.env

const LIMIT = 1000
// The service behind takes a token for a minute; one is handed out with at least
// half of that left.
const TOKEN_USED_FOR = 25_000

const STATES = ['', 'pending_payment', 'capturing', 'paid', 'fulfilled', 'cancelled', 'expired']

const PROFILE = `
  SELECT id, username, full_name, birth_date, role, email, email_verified_at,
         phone, phone_verified_at, created_at, last_login_at,
         ARRAY(SELECT provider FROM identities WHERE user_id = users.id ORDER BY provider) AS identities
  FROM users WHERE id = $1 AND deleted_at IS NULL`

const MONEY = `
  SELECT id, name, status, currency, round(balance, minor_units) AS balance,
         round(held, minor_units) AS held, round(balance - held, minor_units) AS available,
         created_at, updated_at
  FROM accounts
  WHERE user_id = $1 AND kind = 'user' AND status = 'open'
  ORDER BY id LIMIT 100`

export function connect () {
  const { types } = pg
  types.setTypeParser(types.builtins.DATE, (text) => text)
  const pool = new pg.Pool({
    connectionString: ACCOUNTS,
    max: Math.ceil(Number(CONNECTIONS) / Number(WORKERS)),
    connectionTimeoutMillis: LIMIT,
    query_timeout: LIMIT,
    statement_timeout: LIMIT
  })
  // Or the loss of an idle connection would end the process.
  pool.on('error', () => {})

  const loaded = loadSync(['orders/v1/order.proto', 'orders/v1/catalog.proto'], {
    includeDirs: [PROTO],
    keepCase: true,
    longs: Number,
    enums: Number,
    defaults: true
  })
  const { OrderService, CatalogService } = grpc.loadPackageDefinition(loaded).orders.v1
  const options = {
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.keepalive_permit_without_calls': 1
  }
  const plain = grpc.credentials.createInsecure()
  const orderClient = new OrderService(ORDERS, plain, options)
  const catalogClient = new CatalogService(ORDERS, plain, options)

  return {
    async profile (id) {
      const { rows } = await pool.query({ name: 'profile', text: PROFILE, values: [id] })
      if (rows.length === 0) throw new Error('no such user')
      return rows[0]
    },
    async accounts (id) {
      const { rows } = await pool.query({ name: 'accounts', text: MONEY, values: [id] })
      return rows.map(account)
    },
    async orders (id) {
      const metadata = await authorised(id)
      const { orders } = await call(orderClient, 'ListOrders', { page_size: 5 }, metadata)
      return orders.map(order)
    },
    async recommendations (id) {
      const metadata = await authorised(id)
      const { items } = await call(catalogClient, 'ListRecommendations', { page_size: 10 }, metadata)
      return items.map(item)
    }
  }
}

function call (client, method, message, metadata) {
  return new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + LIMIT }
    client[method](message, metadata, options, (error, answer) => {
      if (error) reject(error)
      else resolve(answer)
    })
  })
}

const known = new Map()

// The token that the orders service wants for a user, as metadata.
function authorised (id) {
  const before = known.get(id)
  if (before && Date.now() < before.until) return before.metadata
  const metadata = fetch(`${TOKENS}/token/${id}`, { signal: AbortSignal.timeout(LIMIT) })
    .then((answer) => answer.text())
    .then((token) => {
      const metadata = new grpc.Metadata()
      metadata.set('authorization', `Bearer ${token}`)
      return metadata
    })
  metadata.catch(() => known.delete(id))
  known.set(id, { metadata, until: Date.now() + TOKEN_USED_FOR })
  return metadata
}

function account ({ currency, balance, held, available, ...rest }) {
  const money = (amount) => ({ amount, currency })
  return { ...rest, balance: money(balance), held: money(held), available: money(available) }
}

function order ({ lines, expires_at, ...rest }) {
  return {
    ...rest,
    state: STATES[rest.state],
    created_at: date(rest.created_at),
    updated_at: date(rest.updated_at),
    expires_at: expires_at && date(expires_at)
  }
}

function item (item) {
  return { ...item, created_at: date(item.created_at), updated_at: date(item.updated_at) }
}

function date ({ seconds, nanos }) {
  return new Date(seconds * 1000 + Math.trunc(nanos / 1e6))
}
