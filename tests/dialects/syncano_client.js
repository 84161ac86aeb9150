// What an application does that was written for Syncano, with that system's own client library, unmodified: in a page
// for a user, and in a back end with an admin's key. Prints what it saw, as JSON.
'use strict'

const https = require('https')
const tls = require('tls')
const SyncanoClient = require('@syncano/client')

const { FORM, INSTANCE, URL_OF_KIST, FRONT, ANN, ADMIN, BOB } = process.env

// The names of Syncano lead to the machine that runs Kist, as its operator's DNS would have it. Certificates are judged
// as ever: by the name that was asked for.
https.globalAgent.createConnection = options =>
  tls.connect({ ...options, host: '127.0.0.1', port: Number(FRONT), servername: options.servername || options.host })

const address = {
  'full url': endpoint => `${URL_OF_KIST}/aws-storage/${endpoint}/`,
  'full url by tls': endpoint => `https://${INSTANCE}.syncano.space/aws-storage/${endpoint}/`,
  'default': endpoint => `aws-storage/${endpoint}`,
  'own host': endpoint => `aws-storage/${endpoint}`
}[FORM]
const options = FORM === 'own host' ? { host: `${INSTANCE}.syncano.space`, apiVersion: 'v2' } : {}
const backEnd = new SyncanoClient(INSTANCE, options)
const asAdmin = { headers: { 'X-API-KEY': ADMIN } }

const bytesAt = async link => (await fetch(link)).text()

const refusal = async call => {
  try {
    return await call
  } catch (error) {
    return [error.response.status, error.response.data]
  }
}

async function page () {
  const seen = {}
  const client = new SyncanoClient(INSTANCE, { ...options, token: ANN })
  const { link } = await client.post(address('user-upload-link'), { name: 'holiday.jpg' })
  seen.put = (await fetch(link, { method: 'PUT', body: 'by a link' })).status
  seen.read = await bytesAt((await client.get(address('user-read'), { name: 'holiday.jpg' })).link)
  const file = `data:text/plain;base64,${Buffer.from('by base64').toString('base64')}`
  const sent = await client.put(address('user-upload'), { name: 'note.txt', file })
  seen.uploaded = [typeof sent.ETag, await bytesAt(sent.link)]
  seen.patch = await bytesAt((await client.patch(address('user-read'), { name: 'note.txt' })).link)
  seen.delete = await bytesAt((await client.delete(address('user-read'), { name: 'note.txt' })).link)
  seen.slash = await refusal(client.post(address('user-upload-link'), { name: 'a/b' }))
  seen.forbidden = await refusal(client.post(address('make-links'), { fileNames: ['ann/note.txt'] }))
  client.setToken()
  seen.loggedOut = (await refusal(client.post(address('user-read'), { name: 'note.txt' })))[0]
  seen.asDocumented = await bytesAt(
    (await client.post(address('user-read'), { name: 'note.txt', _user_key: ANN })).link
  )
  return seen
}

async function server () {
  const seen = {}
  const names = ['ann/holiday.jpg', 'ann/note.txt']
  const made = await backEnd.post(address('make-links'), { fileNames: names }, asAdmin)
  seen.links = [await bytesAt(made.files[names[0]]), await bytesAt(made.files[names[1]]), made.errors]
  const asked = await backEnd.get(address('make-links'), { fileNames: names }, asAdmin)
  seen.byGet = Object.keys(asked.files)
  const theirs = await backEnd.post(address('make-links'), { fileNames: names, _user_key: BOB }, asAdmin)
  seen.ofBob = Object.keys(theirs.files)
  const { link } = await backEnd.post(address('admin-upload-link'), { name: 'public/logo.svg' }, asAdmin)
  seen.put = (await fetch(link, { method: 'PUT', body: '<svg/>' })).status
  const sent = await backEnd.post(address('admin-upload'), { name: 'public/a.txt', file: 'aGVsbG8=' }, asAdmin)
  seen.uploaded = await bytesAt(sent.link)
  const more = await backEnd.post(address('make-links'), { fileNames: 'public/logo.svg' }, asAdmin)
  seen.logo = await bytesAt(more.files['public/logo.svg'])
  const name = `${INSTANCE}-${FORM.replaceAll(' ', '-')}`
  seen.bucket = (await backEnd.post(address('create_bucket'), { name }, asAdmin)).Location === `/${name}`
  return seen
}

async function main () {
  console.log(JSON.stringify({ page: await page(), server: await server() }))
}

main().catch(error => {
  console.error(error.response ? [error.response.status, error.response.data] : error)
  process.exit(1)
})
