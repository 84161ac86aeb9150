/* Direct uploads in forms: ask this site for a form, post the file to the store, say that it is there, keep its id.

   Works by events of the document, so that rows which are added to a page later work as well. */
'use strict';
(() => {
  const running = new WeakMap()

  const part = (widget, name) => widget.querySelector(`.kist-upload-${name}`)
  const hidden = widget => widget.querySelector('input[type=hidden]')

  const say = (widget, text, failed = false) => {
    widget.classList.toggle('kist-upload-failed', failed)
    part(widget, 'said').value = text
  }

  const size = bytes => {
    const units = ['B', 'kB', 'MB', 'GB', 'TB']
    let at = 0
    for (; bytes >= 1000 && at < units.length - 1; at++) bytes /= 1000
    return `${at && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[at]}`
  }

  const csrf = widget => {
    const field = widget.closest('form')?.querySelector('[name=csrfmiddlewaretoken]')
    return field?.value ?? document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? ''
  }

  // An upload reports its progress by XMLHttpRequest alone.
  const send = (state, url, {headers = {}, body = null, progress} = {}) => new Promise((done, fail) => {
    const request = state.request = new XMLHttpRequest()
    request.open('POST', url)
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
    if (progress) request.upload.onprogress = progress
    request.onload = () => request.status < 300 ? done(request.responseText) : fail({request})
    request.onerror = () => fail({unreached: true})
    request.onabort = () => fail({stopped: true})
    request.send(body)
  })

  const words = {
    EntityTooLarge: 'The file is larger than is allowed here.',
    EntityTooSmall: 'The file is empty.',
    AccessDenied: 'The store did not take the file: too much time has passed. Choose it again.',
  }

  const reason = failure => {
    if (failure.stopped) return 'Stopped.'
    if (failure.unreached) return 'The file did not arrive: the connection was lost, or the store is not open to this page.'
    const {status, responseText} = failure.request ?? {}
    if (!status) return `The upload failed: ${failure.message ?? failure}`
    const code = responseText.match(/<Code>(\w+)<\/Code>/)?.[1]
    if (code) return words[code] ?? `The store did not take the file: ${code}.`
    try {
      const said = JSON.parse(responseText)
      return said.detail ?? Object.values(said).flat().join(' ')
    } catch {
      return `The upload failed: the server answered ${status}.`
    }
  }

  const upload = async (widget, file, state) => {
    const own = {'X-CSRFToken': csrf(widget)}
    const {createUrl} = widget.dataset
    const asked = {headers: {...own, 'Content-Type': 'application/json'}, body: JSON.stringify({filename: file.name})}
    const made = JSON.parse(await send(state, createUrl, asked))
    const body = new FormData()
    for (const [name, value] of Object.entries(made.upload_form.fields)) body.append(name, value)
    body.append('file', file)
    const bar = widget.querySelector('progress')
    const progress = ({loaded, total}) => { bar.value = total ? loaded / total : 0 }
    await send(state, made.upload_form.url, {body, progress})
    bar.removeAttribute('value')
    await send(state, `${createUrl}${made.id}/complete/`, {headers: own})
    return made
  }

  const show = (widget, made, file) => {
    const current = part(widget, 'current')
    const link = current.querySelector('a') ?? current.insertBefore(document.createElement('a'), current.firstChild)
    link.href = made.file_path
    link.textContent = file.name
    current.hidden = false
  }

  const chosen = async (widget, chooser) => {
    running.get(widget)?.request?.abort()
    const file = chooser.files[0]
    if (!file) return
    const state = {}
    running.set(widget, state)
    widget.querySelector('progress').value = 0
    part(widget, 'progress').hidden = false
    say(widget, `Uploading ${file.name}, ${size(file.size)} …`)
    try {
      const made = await upload(widget, file, state)
      if (running.get(widget) !== state) return
      hidden(widget).value = made.id
      show(widget, made, file)
      say(widget, `${file.name} is uploaded, ${size(file.size)}.`)
      hidden(widget).dispatchEvent(new Event('change', {bubbles: true}))
    } catch (failure) {
      if (running.get(widget) !== state) return
      say(widget, reason(failure), true)
    }
    running.delete(widget)
    part(widget, 'progress').hidden = true
    chooser.value = ''
  }

  document.addEventListener('change', ({target}) => {
    if (target.matches('.kist-upload-chooser')) chosen(target.closest('.kist-upload'), target)
  })

  document.addEventListener('click', ({target}) => {
    const widget = target.closest('.kist-upload')
    if (!widget) return
    if (target.matches('.kist-upload-stop')) running.get(widget)?.request?.abort()
    if (target.matches('.kist-upload-clear')) {
      hidden(widget).value = ''
      part(widget, 'current').hidden = true
      say(widget, 'Removed when the form is saved.')
    }
  })

  document.addEventListener('submit', event => {
    const busy = [...event.target.querySelectorAll('.kist-upload')].find(widget => running.has(widget))
    if (!busy) return
    event.preventDefault()
    say(busy, 'Still uploading: save again when it is done.', true)
    part(busy, 'chooser').focus()
  }, true)
})()
