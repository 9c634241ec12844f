// The page with JavaScript: each picture travels by itself and its card comes when it is judged.
"use strict";

(() => {
  const AT_ONCE = 3;
  const MAX_TRIES = 8;
  const $ = (id) => document.getElementById(id);
  const upload = $("upload"), input = $("files"), jobs = $("jobs"), status = $("status");
  const waiting = [];
  let running = 0, done = 0, total = 0;

  for (const part of document.querySelectorAll(".with-script")) part.hidden = false;
  for (const part of document.querySelectorAll(".without-script")) part.hidden = true;
  $("jobs").setAttribute("role", "list");

  const say = (text) => { status.textContent = text; };

  const add = (files) => {
    for (const file of files) {
      const item = $("job").content.firstElementChild.cloneNode(true);
      const form = item.querySelector("form");
      const chosen = new DataTransfer();
      chosen.items.add(file);
      form.elements.files.files = chosen.files;
      if (upload.elements.heatmap.checked) form.append(hidden("heatmap", "on"));
      item.querySelector(".job-name").textContent = file.name;
      item.querySelector(".job-state").textContent = "waiting";
      item.querySelector("progress").setAttribute("aria-label", file.name);
      jobs.append(item);
      htmx.process(form);
      waiting.push({ item, form, name: file.name, tries: 0 });
      total += 1;
    }
    next();
  };

  const hidden = (name, value) => {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value });
    return field;
  };

  const next = () => {
    while (running < AT_ONCE && waiting.length) {
      running += 1;
      send(waiting.shift());
    }
  };

  // The server is full for a moment: this is no answer about the picture.
  const isBusy = (job, answer) => [429, 503].includes(answer.status) && job.tries < MAX_TRIES;

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
    job.form.job = job;
    job.form.addEventListener("htmx:xhr:progress", progress);
    job.form.addEventListener("htmx:afterRequest", after, { once: true });
    htmx.trigger(job.form, "submit");
  };

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { elt } = event.detail.requestConfig;
    if (elt.job && isBusy(elt.job, event.detail.xhr)) event.detail.shouldSwap = false;
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
    done += 1;
    say(`${job.name} was not sent: the server did not answer.`);
  };

  const finished = (job) => {
    job.item.remove();
    done += 1;
    const titles = document.querySelectorAll("#cards .card .verdict");
    const verdict = titles.length ? titles[titles.length - 1].textContent : "";
    say(`${done} of ${total} judged. ${job.name}: ${verdict}`);
    if (done === total) arrived();
  };

  const arrived = () => {
    const cards = document.querySelectorAll("#cards .card");
    if (total === 1 && cards.length) cards[cards.length - 1].scrollIntoView({ block: "start" });
    else $("results").scrollIntoView({ block: "start" });
    done = total = 0;
  };

  upload.addEventListener("submit", (event) => {
    event.preventDefault();
    add(input.files);
    input.value = "";
  });
  input.addEventListener("change", () => { if (input.files.length) upload.requestSubmit(); });

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
