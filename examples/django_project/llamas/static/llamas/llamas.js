// Uploads a file straight to the store by the contract of django-s3-file-upload, then makes a llama of it.

const by = id => document.getElementById(id)
const form = by('new')
const {uploads, llamas} = form.dataset
let sending = null

class Refused extends Error {}

async function ask (url, {method = 'GET', body} = {}) {
  const headers = {Accept: 'application/json'}
  if (method !== 'GET') headers['X-CSRFToken'] = form.elements.csrfmiddlewaretoken.value
  if (body) headers['Content-Type'] = 'application/json'
  let answer
  try {
    answer = await fetch(url, {method, headers, body: body && JSON.stringify(body)})
  } catch {
    throw new Refused('The farm cannot be reached. Look at your connection, then try again.')
  }
  if (!answer.ok) throw new Refused(await reason(answer))
  return answer.status === 204 ? null : answer.json()
}

// The API says what is wrong as {"detail": "…"}, or field by field.
async function reason (answer) {
  const said = await answer.json().catch(() => null)
  if (!said) return `The farm has failed (${answer.status}). Try again later.`
  if (said.detail) return said.detail
  return Object.entries(said).map(([field, sentences]) => `${field}: ${[sentences].flat().join(' ')}`).join(' ')
}

// The store wants all fields of the form, in their order, and the file last. It says what is wrong in XML.
function send (uploadForm, file) {
  const body = new FormData()
  for (const [name, value] of Object.entries(uploadForm.fields)) body.append(name, value)
  body.append('file', file)
  return new Promise((resolve, reject) => {
    sending = new XMLHttpRequest()
    sending.open('POST', uploadForm.url)
    sending.upload.onprogress = ({loaded, total}) => advance(Math.round(100 * loaded / total))
    sending.onerror = () => reject(new Refused('The store cannot be reached, or does not let this page in (CORS).'))
    sending.onabort = () => reject(new Refused('Cancelled. Nothing was kept.'))
    sending.onload = event => {
      const {status, responseXML, response} = event.target
      if (status < 300) return resolve()
      const said = (responseXML || new DOMParser().parseFromString(response, 'text/xml')).querySelector('Message')
      reject(new Refused(`The store does not take this file: ${said ? said.textContent : status}`))
    }
    sending.send(body)
  })
}

// The sentence is read out once; the figure beside it changes too often for that.
function advance (percent) {
  by('progress').value = percent
  by('percent').textContent = `${percent} %`
}

function busy (is) {
  for (const control of form.querySelectorAll('input, button[type=submit]')) control.disabled = is
  for (const id of ['cancel', 'progress', 'percent']) by(id).hidden = !is
}

async function upload (name, file) {
  const made = await ask(uploads, {method: 'POST', body: {filename: file.name}})
  await send(made.upload_form, file)
  by('cancel').hidden = true
  await ask(made.complete_url, {method: 'POST'})
  return ask(llamas, {method: 'POST', body: {name, file: made.id}})
}

form.addEventListener('submit', async event => {
  event.preventDefault()
  const [name, file] = [by('name').value, by('file').files[0]]
  by('error').textContent = ''
  busy(true)
  try {
    advance(0)
    by('status').textContent = `Uploading ${file.name}`
    by('list').prepend(shown(await upload(name, file)))
    by('none').hidden = true
    form.reset()
    by('status').textContent = `${name} is on the farm.`
  } catch (error) {
    by('status').textContent = ''
    complain(error)
  } finally {
    busy(false)
    by('name').focus()
  }
})

by('cancel').addEventListener('click', () => sending && sending.abort())

function complain (error) {
  if (!(error instanceof Refused)) throw error
  by('error').textContent = error.message
}

function size (bytes) {
  const steps = ['B', 'kB', 'MB', 'GB', 'TB']
  const step = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 4)
  return `${+(bytes / 1000 ** step).toPrecision(3)} ${steps[step]}`
}

function shown (llama) {
  const item = by('llama').content.cloneNode(true).firstElementChild
  const one = selector => item.querySelector(selector)
  one('h3').textContent = llama.name
  one('.file').textContent = `${llama.filename}, ${size(llama.size)}`
  for (const [link, url] of [['.view', llama.view_url], ['.download', llama.download_url]]) {
    one(link).href = url || ''
    one(link).hidden = !url
    one(link).setAttribute('aria-label', `${one(link).textContent} ${llama.filename}`)
  }
  const picture = llama.view_url && /^image\/(png|jpeg|gif|webp|avif)$/.test(llama.type)
  one('img').hidden = !picture
  if (picture) one('img').src = llama.view_url
  one('.kind').textContent = picture ? '' : llama.filename.split('.').slice(1).pop() || 'file'
  one('button').setAttribute('aria-label', `Remove ${llama.name}`)
  one('button').addEventListener('click', () => remove(llama, item))
  return item
}

async function remove (llama, item) {
  try {
    await ask(`${llamas}${llama.id}/`, {method: 'DELETE'})
    item.remove()
    by('none').hidden = by('list').children.length > 0
    by('status').textContent = `${llama.name} and its file are gone.`
  } catch (error) {
    complain(error)
  }
}

try {
  const {results} = await ask(llamas)
  by('list').replaceChildren(...results.map(shown))
  by('none').hidden = results.length > 0
} catch (error) {
  complain(error)
}
