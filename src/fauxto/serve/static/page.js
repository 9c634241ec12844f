// The page with JavaScript: each picture travels by itself and its card comes when it is judged.
"use strict";

(() => {
  const AT_ONCE = 3;
  const MAX_TRIES = 8;
  const $ = (id) => document.getElementById(id);
  const upload = $("upload"), input = $("files"), jobs = $("jobs"), status = $("status");
  const waiting = [];
  let running = 0, done = 0, total = 0, last = 0;

  for (const part of document.querySelectorAll(".with-script")) part.hidden = false;
  for (const part of document.querySelectorAll(".without-script")) part.hidden = true;
  document.body.classList.add("scripted");
  $("jobs").setAttribute("role", "list");

  const say = (text) => { status.textContent = text; };

  const add = (files) => {
    for (const file of files) {
      const item = $("job").content.firstElementChild.cloneNode(true);
      const form = item.querySelector("form");
      const chosen = new DataTransfer();
      chosen.items.add(file);
      form.elements.files.files = chosen.files;
      item.querySelector(".job-name").textContent = file.name;
      item.querySelector(".job-state").textContent = "waiting";
      item.querySelector("progress").setAttribute("aria-label", file.name);
      jobs.append(item);
      htmx.process(form);
      waiting.push({ item, form, name: file.name, tries: 0, place: last += 1 });
      total += 1;
    }
    next();
  };

  const next = () => {
    while (running < AT_ONCE && waiting.length) {
      running += 1;
      send(waiting.shift());
    }
  };

  // The server is full for a moment: this is no answer about the picture.
  const full = (answer) => [429, 503].includes(answer.status);
  const isBusy = (job, answer) => full(answer) && job.tries < MAX_TRIES;

  const send = (job) => {
    const state = job.item.querySelector(".job-state"), bar = job.item.querySelector("progress");
    const progress = (event) => {
      const { loaded, total: all, lengthComputable } = event.detail;
      if (lengthComputable && loaded < all) { bar.value = (100 * loaded) / all; state.textContent = "sending"; }
      else { bar.removeAttribute("value"); state.textContent = "looking at it"; }
    };
    const after = (event) => {
      const answer = event.detail.xhr;
      job.form.removeEventListener("htmx:xhr:progress", progress);
      running -= 1;
      if (isBusy(job, answer)) again(job, answer);
      else if (answer.status) finished(job);
      else failed(job);
      next();
    };
    state.textContent = "sending";
    job.form.job = job;
    job.form.addEventListener("htmx:xhr:progress", progress);
    job.form.addEventListener("htmx:afterRequest", after, { once: true });
    htmx.trigger(job.form, "submit");
  };

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { elt } = event.detail.requestConfig, answer = event.detail.xhr;
    if (elt.job && isBusy(elt.job, answer)) event.detail.shouldSwap = false;
    // The card that asked stays where the answer is none.
    if (elt.matches("form.closer") && answer.status !== 200) event.detail.shouldSwap = false;
  });

  const again = (job, answer) => {
    job.tries += 1;
    job.item.querySelector(".job-state").textContent = "the server is busy, waiting";
    const seconds = Number(answer.getResponseHeader("Retry-After")) || 1;
    setTimeout(() => { waiting.push(job); next(); }, 1000 * seconds * job.tries);
  };

  const failed = (job) => {
    job.item.querySelector("progress").remove();
    job.item.querySelector(".job-state").textContent = "was not sent: the server did not answer. Choose it again.";
    job.item.classList.add("failed");
    done += 1;
    say(`${job.name} was not sent: the server did not answer.`);
  };

  const finished = (job) => {
    const result = $("cards").lastElementChild;  // put there a moment ago
    job.item.remove();
    done += 1;
    say(`${done} of ${total} judged. ${job.name}: ${result.querySelector(".verdict").textContent}`);
    insertInOrder(result, job.place);
    const row = $("rows").querySelector(`a[href="#${result.querySelector(".card").id}"]`)?.closest("tr");
    if (row) insertInOrder(row, job.place);
    const closer = result.querySelector("form.closer");
    if (closer) {
      closer.elements.files.files = job.form.elements.files.files;
      closer.place = job.place;
      closer.hidden = false;
    }
    if (done === total) arrived(result);
  };

  // Several travel at once; they stand in the order in which they were chosen.
  const insertInOrder = (element, place) => {
    element.place = place;
    const after = [...element.parentElement.children].find((other) => other.place > place);
    if (after) after.before(element);
  };

  const arrived = (result) => {
    (total === 1 ? result : $("results")).scrollIntoView({ block: "start" });
    done = total = 0;
  };

  // A card's heatmap and the picture at an address come by forms of their own, whose button tells of the work.
  const buttonOf = (event) => event.detail.requestConfig.elt.querySelector("button[data-working]");

  document.addEventListener("htmx:beforeRequest", (event) => {
    const button = buttonOf(event);
    if (!button) return;
    button.dataset.idle = button.textContent;
    button.textContent = button.dataset.working;
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    say(`${button.dataset.working} …`);
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const button = buttonOf(event);
    if (!button) return;
    const answer = event.detail.xhr, closer = button.form.matches(".closer");
    button.disabled = false;
    button.removeAttribute("aria-busy");
    button.textContent = button.dataset.idle;
    if (closer && answer.status === 200) return;
    if (!closer && answer.status) return fetched($("cards").lastElementChild);
    const why = !answer.status ? "The server did not answer" : full(answer) ? "The server is busy" : "That did not work";
    button.textContent = `${why}: try again`;
    button.focus({ preventScroll: true });
    say(button.textContent);
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    const { elt } = event.detail.requestConfig;
    if (!elt.matches("form.closer")) return;
    const card = $(elt.elements.card.value);
    card.closest(".result").place = elt.place;
    card.querySelector(".slider input").focus({ preventScroll: true });
    say("The heatmap is drawn; the slider sets its strength.");
  });

  const fetched = (result) => {
    say(result.querySelector(".verdict").textContent);
    const closer = result.querySelector("form.closer");
    if (closer) closer.hidden = false;
    result.scrollIntoView({ block: "start" });
  };

  upload.addEventListener("submit", (event) => {
    event.preventDefault();
    add(input.files);
    input.value = "";
  });
  input.addEventListener("change", () => { if (input.files.length) upload.requestSubmit(); });
  $("drop").addEventListener("click", (event) => { if (!event.target.closest("input, label")) input.click(); });

  addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    add(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) add(event.clipboardData.files);
  });

  $("print").addEventListener("click", () => print());
  $("clear").addEventListener("click", () => {
    $("cards").replaceChildren();
    $("rows").replaceChildren();
    say("The results are cleared.");
    input.focus();
  });
})();
