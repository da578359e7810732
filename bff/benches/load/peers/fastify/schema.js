// Of the answer, so that it is written without looking at what it is. What isn't
// named here isn't written.

const text = { type: 'string' }
const number = { type: 'integer' }
const date = { type: 'string', format: 'date-time' }
const nullable = (schema) => ({ ...schema, nullable: true })
const list = (items) => ({ type: 'array', items })
const object = (properties) => ({ type: 'object', properties })

const money = object({ amount: text, currency: text })

const profile = object({
  id: text,
  username: nullable(text),
  full_name: nullable(text),
  birth_date: nullable(text),
  role: text,
  email: nullable(text),
  email_verified_at: nullable(date),
  phone: nullable(text),
  phone_verified_at: nullable(date),
  created_at: date,
  last_login_at: nullable(date),
  identities: list(text)
})

const account = object({
  id: text,
  name: nullable(text),
  status: text,
  balance: money,
  held: money,
  available: money,
  created_at: date,
  updated_at: date
})

const order = object({
  id: text,
  state: text,
  subtotal: money,
  discount: money,
  total: money,
  quantity: number,
  created_at: date,
  updated_at: date,
  expires_at: nullable(date)
})

const item = object({
  id: text,
  title: text,
  author: text,
  description: text,
  tags: list(text),
  price: nullable(money),
  available: number,
  created_at: date,
  updated_at: date
})

const part = object({ status: text, source: text, age_ms: number, code: text })

export const home = object({
  data: object({
    profile,
    accounts: nullable(list(account)),
    orders: nullable(list(order)),
    recommendations: nullable(list(item))
  }),
  parts: object({ profile: part, accounts: part, orders: part, recommendations: part }),
  complete: { type: 'boolean' }
})
