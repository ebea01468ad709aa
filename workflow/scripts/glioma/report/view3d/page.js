"use strict";
(async () => {
  const MASK = 0.5, INSIDE = 0.12;
  const data = JSON.parse(document.getElementById("data").textContent);
  const [status, sequence, view] = ["status", "sequence", "view"].map((id) => document.getElementById(id));
  const ticks = [...document.querySelectorAll(".mask")];
  try {
    const { Niivue, NVImage, SHOW_RENDER, MULTIPLANAR_TYPE } = window.niivue;
    const viewer = new Niivue({
      backColor: [0.07, 0.07, 0.07, 1],
      crosshairWidth: 0.5,
      isRadiologicalConvention: true,
      logging: false,
      logLevel: "error",
      multiplanarLayout: MULTIPLANAR_TYPE.GRID,
      multiplanarShowRender: SHOW_RENDER.ALWAYS,
      show3Dcrosshair: false,
    });
    await viewer.attachTo("canvas");
    const load = (voxels, name, settings) =>
      NVImage.loadFromBase64({ base64: voxels, name: `${name}.nii.gz`, ...settings });
    const scans = new Map(), masks = [];
    for (const [name, voxels] of Object.entries(data.scans)) {
      scans.set(name, await load(voxels, name, { colormap: "gray", cal_min: 0, cal_max: 255 }));
    }
    for (const [number, mask] of data.masks.entries()) {
      const [red, green, blue] = [1, 3, 5].map((start) => parseInt(mask.colour.slice(start, start + 2), 16));
      const name = `mask${number}`;
      viewer.addColormap(name, { R: [0, red], G: [0, green], B: [0, blue], A: [0, 255], I: [0, 255] });
      masks.push(await load(mask.voxels, name, { colormap: name, cal_min: 0.5, cal_max: 1 }));
    }
    viewer.volumes = [...scans.values(), ...masks];
    const show = () => {
      const type = Number(view.value), chosen = scans.get(sequence.value);
      for (const scan of scans.values())
        scan.opacity = scan !== chosen ? 0 : type === viewer.sliceTypeRender ? INSIDE : 1;
      masks.forEach((mask, number) => { mask.opacity = ticks[number].checked ? MASK : 0; });
      // What lies at the bottom is what is rendered; a mask is seen through it.
      viewer.setVolume(chosen, 0);
      viewer.setSliceType(type);
    };
    for (const control of [sequence, view, ...ticks]) control.addEventListener("change", show);
    show();
    viewer.scene.crosshairPos = viewer.mm2frac(data.centre);
    viewer.drawScene();
    status.textContent = "";
    document.documentElement.dataset.ready = viewer.volumes.length;
  } catch (error) {
    status.textContent = `This browser cannot draw it (${error.message}); it needs WebGL 2.`;
    document.documentElement.dataset.ready = "0";
  }
})();
